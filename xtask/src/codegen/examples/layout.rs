//! Code in lines that are not too long: what fits stays in one line, what does not stands one item a line.

/// A piece of code that can be broken into lines.
pub enum Layout {
    /// Code that stays as it is.
    Text(String),
    /// Items between brackets, each with what stands before it: the name of a member or of an argument.
    Group { open: &'static str, close: &'static str, kind: Kind, items: Vec<(String, Layout)> },
}

/// How a group is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Brackets close to the items.
    Plain,
    /// A space between the brackets and the items.
    Spaced,
    /// As plain; if only its last item is too long, only that one is broken.
    Hugging,
}

/// How long lines may be and how far a level is indented.
#[derive(Clone, Copy)]
pub struct Width {
    pub line: usize,
    pub indent: usize,
}

impl Layout {
    /// The code in lines, with text before and after it.
    pub fn lines(&self, before: &str, after: &str, width: Width) -> Vec<String> {
        let mut lines = Vec::new();
        self.write(before, after, 0, width, &mut lines);
        lines
    }

    fn write(&self, before: &str, after: &str, level: usize, width: Width, lines: &mut Vec<String>) {
        let indent = " ".repeat(level * width.indent);
        let fits = |line: &str| indent.len() + line.chars().count() <= width.line;
        let flat = format!("{before}{}{after}", self.flat());
        let (open, close, kind, items) = match self {
            Self::Group { open, close, kind, items } if !items.is_empty() && !fits(&flat) => (open, close, kind, items),
            _ => {
                lines.push(indent + &flat);
                return;
            }
        };
        if let (Kind::Hugging, Some(((name, last @ Self::Group { open: inner, .. }), earlier))) =
            (kind, items.split_last())
        {
            let earlier: String = earlier.iter().map(|(name, item)| format!("{name}{}, ", item.flat())).collect();
            let head = format!("{before}{open}{earlier}{name}");
            if fits(&format!("{head}{inner}")) {
                last.write(&head, &format!("{close}{after}"), level, width, lines);
                return;
            }
        }
        lines.push(format!("{indent}{before}{open}"));
        for (name, item) in items {
            item.write(name, ",", level + 1, width, lines);
        }
        lines.push(format!("{indent}{close}{after}"));
    }

    fn flat(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Group { open, close, kind, items } => {
                let items: Vec<String> = items.iter().map(|(name, item)| format!("{name}{}", item.flat())).collect();
                let space = if *kind == Kind::Spaced && !items.is_empty() { " " } else { "" };
                format!("{open}{space}{}{space}{close}", items.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(members: &[(&str, &str)]) -> Layout {
        let items = members.iter().map(|(name, value)| (format!("{name}: "), Layout::Text((*value).to_owned())));
        Layout::Group { open: "{", close: "}", kind: Kind::Spaced, items: items.collect() }
    }

    fn call(last: Layout) -> Layout {
        let items = vec![(String::new(), Layout::Text("'first'".to_owned())), (String::new(), last)];
        Layout::Group { open: "(", close: ")", kind: Kind::Hugging, items }
    }

    const NARROW: Width = Width { line: 24, indent: 2 };

    #[test]
    fn what_fits_stays_in_one_line() {
        assert_eq!(call(object(&[("a", "1")])).lines("f", ";", NARROW), ["f('first', { a: 1 });"]);
    }

    #[test]
    fn a_last_argument_that_is_too_long_is_broken_alone() {
        assert_eq!(
            call(object(&[("first", "1"), ("second", "2")])).lines("f", ";", NARROW),
            ["f('first', {", "  first: 1,", "  second: 2,", "});"]
        );
    }

    #[test]
    fn a_head_that_is_too_long_is_broken_too() {
        assert_eq!(
            call(object(&[("a", "1")])).lines("a_function_with_a_name", ";", NARROW),
            ["a_function_with_a_name(", "  'first',", "  { a: 1 },", ");"]
        );
    }
}
