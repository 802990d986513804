//! What a client goes by: each setting with its value and where that comes from.

use std::fmt;

use super::Config;

/// Where a value comes from. Earlier ones win over later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// [`Theazo::with`](crate::Theazo::with).
    With,
    /// The configuration of the client.
    Builder,
    /// This variable of the environment.
    Environment(&'static str),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::With => f.write_str("with"),
            Self::Builder => f.write_str("builder"),
            Self::Environment(variable) => write!(f, "environment ({variable})"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting with its effective value.
///
/// ```
/// for setting in theazo::Config::new().timeout(std::time::Duration::from_secs(5)).explain()?.settings() {
///     println!("{} is {}, by {} (or {})", setting.name, setting.value, setting.source, setting.variable);
/// }
/// # Ok::<(), theazo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The name, as the method of [`Config`] has it.
    pub name: &'static str,
    /// The variable of the environment; empty for what has none.
    pub variable: &'static str,
    /// The value as it may be shown: secrets are masked.
    pub value: String,
    /// Where the value comes from.
    pub source: Source,
}

/// Every setting of a client with its effective value; `Display` is a table for a person.
///
/// ```
/// let config = theazo::Config::with_api_key("th_live_0123456789abcdefWXYZ").max_retries(4);
/// let explanation = config.explain()?;
/// assert_eq!(explanation.get("api_key").unwrap().value, "th_live_...WXYZ");
/// assert_eq!(explanation.get("max_retries").unwrap().source, theazo::config::Source::Builder);
/// # Ok::<(), theazo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    settings: Vec<Setting>,
}

impl Explanation {
    pub(super) fn of(config: &Config) -> Self {
        let mut settings: Vec<Setting> = config
            .settings
            .each()
            .into_iter()
            .map(|(name, variable, value, source)| Setting { name, variable, value, source })
            .collect();
        // The values of headers and credentials can be secrets, so only their names are shown.
        let headers: Vec<&str> = config.headers.iter().map(|(name, _)| name.as_str()).collect();
        let compute = config.compute.iter().flat_map(|compute| &compute.providers);
        let compute: Vec<&str> = compute.map(|provider| provider.provider.as_str()).collect();
        let models = config.models.as_ref().map(|models| models.provider.as_deref().unwrap_or("openai"));
        let hooks = (!config.hooks.is_empty()).then(|| config.hooks.len().to_string());
        let client = config.http_client.as_ref().map(|_| "injected".to_owned());
        for (name, given, default) in [
            ("headers", (!headers.is_empty()).then(|| headers.join(", ")), "none"),
            ("compute", (!compute.is_empty()).then(|| compute.join(", ")), "managed"),
            ("models", models.map(str::to_owned), "managed"),
            ("hooks", hooks, "none"),
            ("http_client", client, "built in"),
        ] {
            let source = if given.is_some() { Source::Builder } else { Source::Default };
            let value = given.unwrap_or_else(|| default.to_owned());
            settings.push(Setting { name, variable: "", value, source });
        }
        Self { settings }
    }

    /// The explanation with a setting that [`Theazo::with`](crate::Theazo::with) changed.
    pub(crate) fn changed(mut self, name: &str, value: String) -> Self {
        if let Some(setting) = self.settings.iter_mut().find(|setting| setting.name == name) {
            setting.value = value;
            setting.source = Source::With;
        }
        self
    }

    /// Every setting.
    ///
    /// ```
    /// let explanation = theazo::Config::new().explain()?;
    /// let names: Vec<&str> = explanation.settings().iter().map(|setting| setting.name).collect();
    /// assert!(names.contains(&"base_url") && names.contains(&"log"));
    /// # Ok::<(), theazo::Error>(())
    /// ```
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// One setting by its name.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            |part: fn(&Setting) -> &str| self.settings.iter().map(|setting| part(setting).len()).max().unwrap_or(0);
        let (names, values) = (width(|setting| setting.name), width(|setting| &setting.value));
        for setting in &self.settings {
            writeln!(f, "{:names$}  {:values$}  {}", setting.name, setting.value, setting.source)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_shown_with_its_source_and_no_secret() {
        let mut config = Config::new()
            .base_url("https://user:hunter2@example.com")
            .proxy("http://me:s3cr3t@proxy:3128")
            .header("x-secret", "s3cr3t")
            .compute(theazo_api::ComputeProviderConfig::new("e2b").credential("apiKey", "e2b_s3cr3t"));
        let environment = |name: &str| (name == "THEAZO_API_KEY").then(|| "th_live_0123456789s3cr3tWXYZ".to_owned());
        config.settings.fill(&environment).unwrap();

        let explanation = Explanation::of(&config);

        let shown = |name: &str| {
            let setting = explanation.get(name).unwrap();
            (setting.value.clone(), setting.source)
        };
        assert_eq!(shown("api_key"), ("th_live_...WXYZ".to_owned(), Source::Environment("THEAZO_API_KEY")));
        assert_eq!(shown("base_url"), ("https://[hidden]@example.com".to_owned(), Source::Builder));
        assert_eq!(shown("proxy"), ("http://[hidden]@proxy:3128".to_owned(), Source::Builder));
        assert_eq!(shown("timeout"), ("30s".to_owned(), Source::Default));
        assert_eq!(shown("headers"), ("x-secret".to_owned(), Source::Builder));
        assert_eq!(shown("compute"), ("e2b".to_owned(), Source::Builder));
        for text in [explanation.to_string(), format!("{config:?}"), format!("{explanation:?}")] {
            assert!(!text.contains("hunter2") && !text.contains("s3cr3t"), "{text}");
        }
        assert!(explanation.to_string().contains("environment (THEAZO_API_KEY)\n"), "{explanation}");
    }
}
