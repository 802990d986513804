//! From Python to JSON: what a caller gives, written as the wire wants it.
//!
//! A shape knows both names of each field, so keys are never converted by guessing and a user's own maps stay as they
//! are. The shapes are generated; this is the code that walks them.

use std::io::Write;

use pyo3::{
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::{PyBool, PyDateTime, PyDelta, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple},
};

use crate::error::Failure;

/// A struct of the wire as an input.
pub struct Shape {
    /// The name of the class.
    pub name: &'static str,
    /// The fields.
    pub fields: &'static [Field],
    /// The JSON of an instance of the native class, or none if the value is something else.
    pub native: fn(&Bound<'_, PyAny>) -> Option<Vec<u8>>,
}

/// A field of a shape.
pub struct Field {
    /// The name in Python.
    pub name: &'static str,
    /// The name on the wire.
    pub wire: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it must be given.
    pub required: bool,
}

/// What a field takes.
pub enum Kind {
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A point in time.
    Timestamp,
    /// A duration in any of its spellings.
    Duration,
    /// Any JSON value, left as it is.
    Any,
    /// Any JSON object, left as it is.
    Object,
    /// A list.
    List(&'static Kind),
    /// A map by the user's own keys.
    Map(&'static Kind),
    /// Another struct.
    Struct(&'static Shape),
    /// One variant of a union.
    Union(&'static UnionShape),
    /// A value in one of several forms, each of another kind.
    Choice(&'static [Kind]),
    /// A value, or `NULL` to clear what was there.
    Patch(&'static Kind),
}

/// A union of structs that are told apart by one member.
pub struct UnionShape {
    /// The name of the union.
    pub name: &'static str,
    /// The member that tells which variant a value is.
    pub tag: &'static str,
    /// The variants by their tags.
    pub variants: &'static [(&'static str, &'static Shape)],
    /// The JSON of an instance of a native class, or none if the value is something else.
    pub native: fn(&Bound<'_, PyAny>) -> Option<Vec<u8>>,
}

/// Stands for null where `None` means "leave it as it is": `NULL` clears what was there.
#[pyclass(frozen, name = "Null", module = "theazo.types")]
pub struct Null;

#[pymethods]
impl Null {
    fn __repr__(&self) -> &'static str {
        "NULL"
    }

    fn __bool__(&self) -> bool {
        false
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // The name of a global: there is one `NULL`, also after `pickle`.
        Ok(PyString::new(py, "NULL").into_any())
    }
}

impl Null {
    /// The one instance.
    pub fn instance(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        static INSTANCE: PyOnceLock<Py<Null>> = PyOnceLock::new();
        Ok(INSTANCE.get_or_try_init(py, || Py::new(py, Self))?.bind(py).clone())
    }
}

/// Nesting at which a value is refused: a list that contains itself would never end.
const DEEPEST: usize = 100;

/// Where in the input the writer stands, for messages.
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    name: &'a str,
    depth: usize,
}

impl Place<'_> {
    const TOP: Place<'static> = Place { parent: None, name: "", depth: 0 };

    fn under<'b>(&'b self, name: &'b str) -> Place<'b> {
        Place { parent: Some(self), name, depth: self.depth + 1 }
    }

    fn path(&self) -> String {
        match self.parent {
            Some(parent) if !parent.name.is_empty() => format!("{}.{}", parent.path(), self.name),
            _ => self.name.to_owned(),
        }
    }

    fn problem(&self, py: Python<'_>, message: impl AsRef<str>) -> PyErr {
        Failure::invalid_input(&self.path(), message.as_ref()).into_python(py)
    }

    fn expected(&self, what: &str, got: &Bound<'_, PyAny>) -> PyErr {
        let kind = got.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string());
        self.problem(got.py(), format!("must be {what}, not {kind}"))
    }
}

/// The JSON object of a shape from `members`, by their names in Python; `None` counts as absent.
pub fn object(shape: &Shape, members: &Bound<'_, PyDict>) -> PyResult<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    write_members(&mut out, shape, members.as_any(), &Place::TOP)?;
    Ok(out)
}

/// The JSON of one value that is a whole body.
pub fn whole(kind: &Kind, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    write(&mut out, kind, value, &Place::TOP.under(name))?;
    Ok(out)
}

/// The query parameters of a shape from `members`; members of other shapes are passed over.
pub fn query(shape: &Shape, members: &Bound<'_, PyDict>) -> PyResult<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for field in shape.fields {
        let Some(value) = members.get_item(field.name)?.filter(|value| !value.is_none()) else {
            continue;
        };
        let mut json = Vec::new();
        write(&mut json, &field.kind, &value, &Place::TOP.under(field.name))?;
        let text = match serde_json::from_slice(&json) {
            Ok(serde_json::Value::String(text)) => text,
            _ => String::from_utf8_lossy(&json).into_owned(),
        };
        pairs.push((field.wire.to_owned(), text));
    }
    Ok(pairs)
}

/// The JSON object of a variant of a union from `members`, by their names in Python.
pub fn variant(tag: &str, value: &str, shape: &Shape, members: &Bound<'_, PyDict>) -> PyResult<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    write_tagged(&mut out, Some((tag, value)), shape, members.as_any(), &Place::TOP)?;
    Ok(out)
}

fn write_members(out: &mut Vec<u8>, shape: &Shape, members: &Bound<'_, PyAny>, place: &Place<'_>) -> PyResult<()> {
    write_tagged(out, None, shape, members, place)
}

fn write_tagged(
    out: &mut Vec<u8>,
    tag: Option<(&str, &str)>,
    shape: &Shape,
    members: &Bound<'_, PyAny>,
    place: &Place<'_>,
) -> PyResult<()> {
    let py = members.py();
    out.push(b'{');
    let mut comma = tag.is_some();
    if let Some((tag, value)) = tag {
        string(out, tag);
        out.push(b':');
        string(out, value);
    }
    for field in shape.fields {
        let given = match member(members, field.name)? {
            None if field.wire != field.name => member(members, field.wire)?,
            given => given,
        };
        let here = place.under(field.name);
        let Some(value) = given else {
            if field.required {
                return Err(here.problem(py, "must be given"));
            }
            continue;
        };
        if std::mem::replace(&mut comma, true) {
            out.push(b',');
        }
        string(out, field.wire);
        out.push(b':');
        write(out, &field.kind, &value, &here)?;
    }
    out.push(b'}');
    Ok(())
}

/// A member of a mapping, if it is there and not `None`.
fn member<'py>(members: &Bound<'py, PyAny>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    let value = match members.cast::<PyDict>() {
        Ok(dict) => dict.get_item(name)?,
        Err(_) if members.contains(name)? => Some(members.get_item(name)?),
        Err(_) => None,
    };
    Ok(value.filter(|value| !value.is_none()))
}

/// An unknown key is an error that names it: a typo must not mean "no limit". `tag` is the member that names the variant.
fn refuse_unknown_keys(
    shape: &Shape,
    tag: Option<&str>,
    mapping: &Bound<'_, PyMapping>,
    place: &Place<'_>,
) -> PyResult<()> {
    let py = mapping.py();
    for key in mapping.keys()?.iter() {
        let Ok(key) = key.extract::<String>() else {
            return Err(place.expected("a mapping with text as keys", &key));
        };
        if tag == Some(&key) || shape.fields.iter().any(|field| field.name == key || field.wire == key) {
            continue;
        }
        let known: Vec<String> = shape.fields.iter().map(|field| format!("`{}`", field.name)).collect();
        return Err(place
            .under(&key)
            .problem(py, format!("is not a field of {}; there are {}", shape.name, known.join(", "))));
    }
    Ok(())
}

fn write(out: &mut Vec<u8>, kind: &Kind, value: &Bound<'_, PyAny>, place: &Place<'_>) -> PyResult<()> {
    if place.depth > DEEPEST {
        return Err(place.problem(value.py(), "is nested too deeply"));
    }
    match kind {
        Kind::Text => text(out, value, place),
        Kind::Bool => match value.cast::<PyBool>() {
            Ok(flag) => raw(out, if flag.is_true() { "true" } else { "false" }),
            Err(_) => Err(place.expected("True or False", value)),
        },
        Kind::Integer => integer(out, value, place, "a whole number"),
        Kind::Number => number(out, value, place),
        Kind::Timestamp => timestamp(out, value, place),
        Kind::Duration => duration(out, value, place),
        Kind::Any => any(out, value, place),
        Kind::Object if value.cast::<PyMapping>().is_ok() => any(out, value, place),
        Kind::Object => Err(place.expected("a dict", value)),
        Kind::List(item) => list(out, value, place, |out, value, place| write(out, item, value, place)),
        Kind::Map(item) => map(out, value, place, |out, value, place| write(out, item, value, place)),
        Kind::Struct(shape) => {
            if let Some(json) = (shape.native)(value) {
                out.extend_from_slice(&json);
                return Ok(());
            }
            let Ok(mapping) = value.cast::<PyMapping>() else {
                return Err(place.expected(&format!("a {} or a dict", shape.name), value));
            };
            refuse_unknown_keys(shape, None, mapping, place)?;
            write_members(out, shape, value, place)
        }
        Kind::Union(union) => write_union(out, union, value, place),
        Kind::Choice(kinds) => match kinds.iter().find(|kind| fits(kind, value)) {
            Some(kind) => write(out, kind, value, place),
            None => {
                let forms: Vec<&str> = kinds.iter().map(name_of).collect();
                Err(place.expected(&forms.join(" or "), value))
            }
        },
        Kind::Patch(_) if value.is_instance_of::<Null>() => raw(out, "null"),
        Kind::Patch(kind) => write(out, kind, value, place),
    }
}

fn write_union(out: &mut Vec<u8>, union: &UnionShape, value: &Bound<'_, PyAny>, place: &Place<'_>) -> PyResult<()> {
    if let Some(json) = (union.native)(value) {
        out.extend_from_slice(&json);
        return Ok(());
    }
    let Ok(mapping) = value.cast::<PyMapping>() else {
        return Err(place.expected(&format!("a {} or a dict", union.name), value));
    };
    let given = member(value, union.tag)?.and_then(|tag| tag.extract::<String>().ok());
    let Some((tag, shape)) = union.variants.iter().find(|(tag, _)| Some(*tag) == given.as_deref()) else {
        let known: Vec<String> = union.variants.iter().map(|(tag, _)| format!("`{tag}`")).collect();
        let message = format!("must be one of {}", known.join(", "));
        return Err(place.under(union.tag).problem(value.py(), message));
    };
    refuse_unknown_keys(shape, Some(union.tag), mapping, place)?;
    write_tagged(out, Some((union.tag, tag)), shape, value, place)
}

/// Whether a value has the form that a kind takes.
fn fits(kind: &Kind, value: &Bound<'_, PyAny>) -> bool {
    match kind {
        Kind::Text | Kind::Timestamp => value.is_instance_of::<PyString>(),
        Kind::Bool => value.is_instance_of::<PyBool>(),
        Kind::Integer | Kind::Number => {
            (value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>()) && !value.is_instance_of::<PyBool>()
        }
        Kind::List(_) => value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>(),
        Kind::Struct(shape) => (shape.native)(value).is_some() || value.cast::<PyMapping>().is_ok(),
        Kind::Union(union) => (union.native)(value).is_some() || value.cast::<PyMapping>().is_ok(),
        Kind::Object | Kind::Map(_) => value.cast::<PyMapping>().is_ok(),
        Kind::Duration | Kind::Any => true,
        Kind::Choice(kinds) => kinds.iter().any(|kind| fits(kind, value)),
        Kind::Patch(kind) => fits(kind, value),
    }
}

/// What a kind takes, for messages.
fn name_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Timestamp => "text",
        Kind::Bool => "True or False",
        Kind::Integer | Kind::Number => "a number",
        Kind::List(_) => "a list",
        Kind::Struct(shape) => shape.name,
        Kind::Union(union) => union.name,
        Kind::Object | Kind::Map(_) => "a dict",
        Kind::Duration => "a duration",
        Kind::Any => "a JSON value",
        Kind::Choice(_) | Kind::Patch(_) => "a value",
    }
}

fn raw(out: &mut Vec<u8>, text: &str) -> PyResult<()> {
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("text is always JSON, and a Vec takes everything");
}

fn text(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, place: &Place<'_>) -> PyResult<()> {
    let Ok(value) = value.cast::<PyString>() else {
        return Err(place.expected("text", value));
    };
    let Ok(value) = value.to_cow() else {
        return Err(place.problem(value.py(), "has a lone surrogate, which is not text"));
    };
    string(out, &value);
    Ok(())
}

fn integer(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, place: &Place<'_>, what: &str) -> PyResult<()> {
    if value.is_instance_of::<PyBool>() || !value.is_instance_of::<PyInt>() {
        return Err(place.expected(what, value));
    }
    match value.extract::<i64>() {
        Ok(number) => write!(out, "{number}").map_err(Into::into),
        Err(_) => Err(place.problem(value.py(), "is a larger number than the API takes")),
    }
}

fn number(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, place: &Place<'_>) -> PyResult<()> {
    if !value.is_instance_of::<PyFloat>() {
        return integer(out, value, place, "a number");
    }
    let number: f64 = value.extract()?;
    if !number.is_finite() {
        return Err(place.problem(value.py(), "must be a finite number"));
    }
    serde_json::to_writer(out, &number).expect("a finite number is JSON, and a Vec takes everything");
    Ok(())
}

fn timestamp(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, place: &Place<'_>) -> PyResult<()> {
    let py = value.py();
    if value.is_instance_of::<PyString>() {
        return text(out, value, place);
    }
    if !value.is_instance_of::<PyDateTime>() {
        return Err(place.expected("a datetime with a time zone", value));
    }
    if value.call_method0(intern!(py, "utcoffset"))?.is_none() {
        return Err(place.problem(py, "has no time zone; `datetime.now(timezone.utc)` has one"));
    }
    let seconds: f64 = value.call_method0(intern!(py, "timestamp"))?.extract()?;
    #[expect(clippy::cast_possible_truncation, reason = "years 1 to 9999 in milliseconds are far inside i64")]
    let millis = (seconds * 1000.0).round() as i64;
    string(out, &theazo_api::Timestamp::from_millis(millis).to_string());
    Ok(())
}

fn duration(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, place: &Place<'_>) -> PyResult<()> {
    let py = value.py();
    if value.is_instance_of::<PyDelta>() {
        let seconds: f64 = value.call_method0(intern!(py, "total_seconds"))?.extract()?;
        if seconds < 0.0 {
            return Err(place.problem(py, "must not be negative"));
        }
        string(out, &format!("{}ms", (seconds * 1000.0).round()));
        return Ok(());
    }
    if value.is_instance_of::<PyString>() {
        return text(out, value, place);
    }
    if let Ok(parts) = value.cast::<PyDict>() {
        return duration_of_parts(out, parts, place);
    }
    // A float would be taken for seconds by one reader and for milliseconds by the next.
    let mut millis = Vec::new();
    integer(&mut millis, value, place, "a timedelta, a whole number of milliseconds or text such as '90s'")?;
    // As text: a query has no numbers, so there a bare one could be anything.
    string(out, &format!("{}ms", String::from_utf8_lossy(&millis)));
    Ok(())
}

fn duration_of_parts(out: &mut Vec<u8>, parts: &Bound<'_, PyDict>, place: &Place<'_>) -> PyResult<()> {
    let mut seconds = 0.0;
    for (name, value) in parts {
        let name: String = name.extract().map_err(|_| place.expected("a dict with text as keys", &name))?;
        let unit = match name.as_str() {
            "hours" => 3600.0,
            "minutes" => 60.0,
            "seconds" => 1.0,
            _ => return Err(place.under(&name).problem(parts.py(), "is none of `hours`, `minutes` and `seconds`")),
        };
        let count: f64 = value.extract().map_err(|_| place.under(&name).expected("a number", &value))?;
        seconds += unit * count;
    }
    if !(seconds >= 0.0 && seconds.is_finite()) {
        return Err(place.problem(parts.py(), "must not be negative"));
    }
    string(out, &format!("{}ms", (seconds * 1000.0).round()));
    Ok(())
}

/// A value that the API does not look into. Keys and values stay as they are.
fn any(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, place: &Place<'_>) -> PyResult<()> {
    if place.depth > DEEPEST {
        return Err(place.problem(value.py(), "is nested too deeply"));
    }
    if value.is_none() {
        return raw(out, "null");
    }
    if let Ok(flag) = value.cast::<PyBool>() {
        return raw(out, if flag.is_true() { "true" } else { "false" });
    }
    if value.is_instance_of::<PyString>() {
        return text(out, value, place);
    }
    if value.is_instance_of::<PyInt>() {
        // JSON has whole numbers of any size.
        return raw(out, &digits(value)?);
    }
    if value.is_instance_of::<PyFloat>() {
        return number(out, value, place);
    }
    if value.cast::<PyMapping>().is_ok() {
        return map(out, value, place, any);
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return list(out, value, place, any);
    }
    Err(place.expected("a JSON value: None, True, False, a number, text, a list or a dict", value))
}

/// The digits of an int. A subclass such as an `IntEnum` may print itself otherwise, so `int` itself is asked.
fn digits(value: &Bound<'_, PyAny>) -> PyResult<String> {
    static INT_REPR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    let repr = INT_REPR.get_or_try_init(py, || py.get_type::<PyInt>().getattr("__repr__").map(Bound::unbind))?;
    repr.bind(py).call1((value,))?.extract()
}

fn list(
    out: &mut Vec<u8>,
    value: &Bound<'_, PyAny>,
    place: &Place<'_>,
    item: impl Fn(&mut Vec<u8>, &Bound<'_, PyAny>, &Place<'_>) -> PyResult<()>,
) -> PyResult<()> {
    if !value.is_instance_of::<PyList>() && !value.is_instance_of::<PyTuple>() {
        return Err(place.expected("a list", value));
    }
    out.push(b'[');
    for (index, element) in value.try_iter()?.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item(out, &element?, &place.under(&index.to_string()))?;
    }
    out.push(b']');
    Ok(())
}

fn map(
    out: &mut Vec<u8>,
    value: &Bound<'_, PyAny>,
    place: &Place<'_>,
    item: impl Fn(&mut Vec<u8>, &Bound<'_, PyAny>, &Place<'_>) -> PyResult<()>,
) -> PyResult<()> {
    let Ok(mapping) = value.cast::<PyMapping>() else {
        return Err(place.expected("a dict", value));
    };
    out.push(b'{');
    for (index, pair) in mapping.items()?.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let (key, element): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
        let Ok(name) = key.extract::<String>() else {
            return Err(place.expected("a dict with text as keys", &key));
        };
        string(out, &name);
        out.push(b':');
        item(out, &element, &place.under(&name))?;
    }
    out.push(b'}');
    Ok(())
}

/// The JSON of a duration that is not part of a body.
pub fn duration_json(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let mut out = Vec::new();
    duration(&mut out, value, &Place::TOP.under(name))?;
    Ok(out)
}

/// The JSON of a value of the wire.
pub fn json_of(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("values of the wire are JSON, and a Vec takes everything")
}
