//! From the wire's values to Python's. The classes of structs are generated; this is what they are made of.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::Offset};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyDateTime, PyDelta, PyDict, PyFloat, PyList, PyString, PyTzInfo},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    error::Failure,
    shape::{self, Kind, Shape},
    unknown::Unknown,
};

/// A value that Python can have.
pub trait ToPython: Sized {
    /// The value in Python.
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;

    /// The value in Python, with what is not known of it. What has no members has nothing of the kind.
    fn to_python_with<'py>(&self, py: Python<'py>, unknown: &Unknown) -> PyResult<Bound<'py, PyAny>> {
        let _ = unknown;
        self.to_python(py)
    }

    /// The same, without a copy where that can be.
    fn into_python(self, py: Python<'_>, unknown: Unknown) -> PyResult<Bound<'_, PyAny>> {
        self.to_python_with(py, &unknown)
    }
}

/// The `repr` of a value: `Cost(amount=12, currency='usd')`.
pub fn repr(name: &str, fields: &[(&str, Bound<'_, PyAny>)]) -> PyResult<String> {
    let mut parts = Vec::with_capacity(fields.len());
    for (field, value) in fields {
        parts.push(format!("{field}={}", value.repr()?));
    }
    Ok(format!("{name}({})", parts.join(", ")))
}

macro_rules! copied {
    ($($ty:ty),+) => {$(
        impl ToPython for $ty {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok((*self).into_pyobject(py)?.to_owned().into_any())
            }
        }
    )+};
}
copied!(bool, i32, i64, u32, u64, f64);

impl ToPython for String {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyString::new(py, self).into_any())
    }
}

impl ToPython for theazo_api::Secret {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyString::new(py, self.expose()).into_any())
    }
}

impl<T: ToPython> ToPython for theazo_api::Patch<T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Keep => Ok(py.None().into_bound(py)),
            Self::Clear => Ok(shape::Null::instance(py)?.into_any()),
            Self::Set(value) => value.to_python(py),
        }
    }
}

impl ToPython for () {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(py.None().into_bound(py))
    }
}

impl ToPython for theazo_api::Timestamp {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let outside = |error: jiff::Error| PyValueError::new_err(error.to_string());
        let time = Offset::UTC.to_datetime(Timestamp::from_millisecond(self.as_millis()).map_err(outside)?);
        let [month, day, hour, minute, second] =
            [time.month(), time.day(), time.hour(), time.minute(), time.second()].map(i8::unsigned_abs);
        let micros = time.subsec_nanosecond().unsigned_abs() / 1000;
        let utc = PyTzInfo::utc(py)?;
        // Made of its parts, which is faster than `datetime.fromtimestamp`; on Windows that knows nothing before 1970 either.
        Ok(PyDateTime::new(py, time.year().into(), month, day, hour, minute, second, micros, Some(&utc))?.into_any())
    }
}

impl<T: ToPython> ToPython for Option<T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.to_python_with(py, &Unknown::default())
    }

    fn to_python_with<'py>(&self, py: Python<'py>, unknown: &Unknown) -> PyResult<Bound<'py, PyAny>> {
        self.as_ref().map_or_else(|| Ok(py.None().into_bound(py)), |value| value.to_python_with(py, unknown))
    }

    fn into_python(self, py: Python<'_>, unknown: Unknown) -> PyResult<Bound<'_, PyAny>> {
        self.map_or_else(|| Ok(py.None().into_bound(py)), |value| value.into_python(py, unknown))
    }
}

impl<T: ToPython> ToPython for Vec<T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.to_python_with(py, &Unknown::default())
    }

    fn to_python_with<'py>(&self, py: Python<'py>, unknown: &Unknown) -> PyResult<Bound<'py, PyAny>> {
        let items = self.iter().enumerate().map(|(index, item)| item.to_python_with(py, &unknown.item(index)));
        Ok(PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any())
    }

    fn into_python(self, py: Python<'_>, unknown: Unknown) -> PyResult<Bound<'_, PyAny>> {
        let items = self.into_iter().enumerate().map(|(index, item)| item.into_python(py, unknown.item(index)));
        Ok(PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any())
    }
}

impl<T: ToPython> ToPython for BTreeMap<String, T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.to_python_with(py, &Unknown::default())
    }

    fn to_python_with<'py>(&self, py: Python<'py>, unknown: &Unknown) -> PyResult<Bound<'py, PyAny>> {
        let dict = PyDict::new(py);
        for (name, value) in self {
            dict.set_item(name, value.to_python_with(py, &unknown.part(name))?)?;
        }
        Ok(dict.into_any())
    }
}

/// A page is the tuple (items, whether more follow, cursor); the package makes a `Page` of it.
impl<T: ToPython> ToPython for theazo_api::Page<T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok((self.data.to_python(py)?, self.has_more, &self.cursor).into_pyobject(py)?.into_any())
    }

    fn into_python(self, py: Python<'_>, unknown: Unknown) -> PyResult<Bound<'_, PyAny>> {
        let items = self.data.into_python(py, unknown.part("data"))?;
        Ok((items, self.has_more, self.cursor).into_pyobject(py)?.into_any())
    }
}

impl ToPython for Map<String, Value> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dict = PyDict::new(py);
        for (name, value) in self {
            dict.set_item(name, value.to_python(py)?)?;
        }
        Ok(dict.into_any())
    }
}

impl ToPython for Value {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Null => Ok(py.None().into_bound(py)),
            Self::Bool(flag) => flag.to_python(py),
            Self::Number(number) => {
                if let Some(whole) = number.as_i64() {
                    whole.to_python(py)
                } else if let Some(whole) = number.as_u64() {
                    whole.to_python(py)
                } else {
                    Ok(PyFloat::new(py, number.as_f64().unwrap_or(f64::NAN)).into_any())
                }
            }
            Self::String(text) => text.to_python(py),
            Self::Array(items) => items.to_python(py),
            Self::Object(members) => members.to_python(py),
        }
    }
}

impl ToPython for theazo_api::DurationInput {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let seconds = self.0.as_secs();
        let days = i32::try_from(seconds / 86_400).unwrap_or(i32::MAX);
        let rest = i32::try_from(seconds % 86_400).expect("a rest of 86400 fits");
        let micros = i32::try_from(self.0.subsec_micros()).expect("microseconds of a second fit");
        Ok(PyDelta::new(py, days, rest, micros, true)?.into_any())
    }
}

/// What the constructor of an input makes of its arguments.
pub fn construct<T: DeserializeOwned>(
    py: Python<'_>,
    shape: &Shape,
    fields: Option<&Bound<'_, PyDict>>,
) -> PyResult<T> {
    let fields = known_fields(py, shape, fields)?;
    parse_json(py, &shape::object(shape, &fields)?)
}

/// What the constructor of a variant of a union makes of its arguments.
pub fn construct_variant<T: DeserializeOwned>(
    py: Python<'_>,
    shape: &Shape,
    (tag, value): (&str, &str),
    fields: Option<&Bound<'_, PyDict>>,
) -> PyResult<T> {
    let fields = known_fields(py, shape, fields)?;
    parse_json(py, &shape::variant(tag, value, shape, &fields)?)
}

/// The arguments, if the shape has them all.
fn known_fields<'py>(
    py: Python<'py>,
    shape: &Shape,
    fields: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyDict>> {
    let fields = fields.cloned().unwrap_or_else(|| PyDict::new(py));
    for name in fields.keys() {
        let name: String = name.extract()?;
        if !shape.fields.iter().any(|field| field.name == name) {
            let message = format!("{}() got an unexpected keyword argument '{name}'", shape.name);
            return Err(PyTypeError::new_err(message));
        }
    }
    Ok(fields)
}

/// What `repr` shows of a field that is never shown.
pub fn hidden(py: Python<'_>) -> Bound<'_, PyAny> {
    PyString::new(py, "[hidden]").into_any()
}

/// Reads a value from JSON text.
pub fn parse<T: DeserializeOwned>(py: Python<'_>, text: &str) -> PyResult<(T, Unknown)> {
    Unknown::read(text.as_bytes()).map_err(|error| Failure::invalid_input("", &error.to_string()).into_python(py))
}

/// Reads a value from a dict with the names of the wire.
pub fn from_dict<T: DeserializeOwned>(members: &Bound<'_, PyAny>) -> PyResult<(T, Unknown)> {
    let json = shape::whole(&Kind::Object, "members", members)?;
    let read = Unknown::read(&json);
    read.map_err(|error| Failure::invalid_input("", &error.to_string()).into_python(members.py()))
}

/// Reads a value from JSON.
pub fn parse_json<T: DeserializeOwned>(py: Python<'_>, json: &[u8]) -> PyResult<T> {
    serde_json::from_slice(json).map_err(|error| Failure::invalid_input("", &error.to_string()).into_python(py))
}

fn whole(value: &impl Serialize, unknown: &Unknown) -> Value {
    let mut whole = serde_json::to_value(value).expect("values of the wire are JSON");
    unknown.put_into(&mut whole);
    whole
}

/// The value as JSON text.
pub fn to_json(value: &impl Serialize, unknown: &Unknown) -> String {
    whole(value, unknown).to_string()
}

/// The value as a dict, with the names of the wire.
pub fn to_dict<'py>(py: Python<'py>, value: &impl Serialize, unknown: &Unknown) -> PyResult<Bound<'py, PyAny>> {
    whole(value, unknown).to_python(py)
}

/// How `pickle` and `copy` make the value again.
pub fn reduce<'py>(value: &Bound<'py, PyAny>, json: String) -> PyResult<Bound<'py, PyAny>> {
    let from_json = value.get_type().getattr("from_json")?;
    Ok((from_json, (json,)).into_pyobject(value.py())?.into_any())
}
