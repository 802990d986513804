//! Other names: what other versions of the published client call a field.
//!
//! Our own surface shows one clean name. What a client of another version sends is put in its place when it is read
//! (`Compatible::accept`); what such a client reads is added when a server answers (`Compatible::serve`), inside of
//! [`for_published_clients`] alone, so that nobody else sees a field twice.

use std::cell::Cell;

use serde::Serialize;
use serde_json::{Map, Value};

/// A type whose fields other versions of the published client call otherwise. The defaults change nothing.
pub(crate) trait Compatible {
    /// The names of the members that [`accept`](Self::accept) reads, takes out or puts in. It sees no others.
    const TOUCHED: &[&str] = &[];

    /// Puts what a client of another version sends in its place.
    fn accept(members: &mut Map<String, Value>) {
        let _ = members;
    }

    /// Adds what clients of other versions read.
    fn serve(members: &mut Map<String, Value>) {
        let _ = members;
    }
}

thread_local! {
    static SERVING: Cell<bool> = const { Cell::new(false) };
}

/// Serializes an answer with the names that every version of the published client reads.
///
/// Serialization has no context in which to say who reads, so it is said by this scope, for this thread.
///
/// ```
/// use theazo_api::{RunResult, compatible::for_published_clients};
///
/// fn answer(result: &RunResult) -> serde_json::Result<Vec<u8>> {
///     for_published_clients(|| serde_json::to_vec(result))
/// }
/// ```
pub fn for_published_clients<T>(serialize: impl FnOnce() -> T) -> T {
    struct Scope(bool);
    impl Drop for Scope {
        fn drop(&mut self) {
            SERVING.set(self.0);
        }
    }
    let _scope = Scope(SERVING.replace(true));
    serialize()
}

/// Whether what is serialized now is for published clients.
pub(crate) fn is_serving() -> bool {
    SERVING.get()
}

/// The members of a value with what other versions read.
pub(crate) fn served<T: Compatible, E: serde::ser::Error>(own: Result<Value, serde_json::Error>) -> Result<Value, E> {
    let mut value = own.map_err(E::custom)?;
    if let Value::Object(members) = &mut value {
        T::serve(members);
    }
    Ok(value)
}

/// Takes `other` as `ours` where only `other` was sent.
pub(crate) fn accept(members: &mut Map<String, Value>, other: &str, ours: &str) {
    if let Some(value) = members.remove(other)
        && members.get(ours).is_none_or(Value::is_null)
    {
        members.insert(ours.to_owned(), value);
    }
}

/// Shows `ours` as `other` too.
pub(crate) fn serve(members: &mut Map<String, Value>, ours: &str, other: &str) {
    if let Some(value) = members.get(ours).cloned() {
        members.insert(other.to_owned(), value);
    }
}

/// Shows a value under another name.
pub(crate) fn serve_value(members: &mut Map<String, Value>, other: &str, value: impl Serialize) {
    members.insert(other.to_owned(), serde_json::to_value(value).unwrap_or_default());
}

/// Gives a struct with `#[serde(remote = "Self")]` its serialization: other names are accepted and served as
/// [`Compatible`] says.
///
/// The short form lists pairs: `accepts` what a client may send (`"lang" as "language"`), `serves` what a client reads
/// beside ours (`"id" as "taskId"`). The long form has functions.
macro_rules! compatible {
    ($name:ident $(, accepts { $($theirs:literal as $ours:literal),+ $(,)? })? $(, serves { $($own:literal as $other:literal),+ $(,)? })?) => {
        impl $crate::compatible::Compatible for $name {
            $(
                const TOUCHED: &[&str] = &[$($theirs),+];

                fn accept(members: &mut serde_json::Map<String, serde_json::Value>) {
                    $($crate::compatible::accept(members, $theirs, $ours);)+
                }
            )?

            $(fn serve(members: &mut serde_json::Map<String, serde_json::Value>) {
                $($crate::compatible::serve(members, $own, $other);)+
            })?
        }

        compatible!($name by functions);
    };
    ($name:ident by functions) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if $crate::compatible::is_serving() {
                    let own = Self::serialize(self, serde_json::value::Serializer);
                    $crate::compatible::served::<Self, S::Error>(own)?.serialize(serializer)
                } else {
                    Self::serialize(self, serializer)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use $crate::compatible::Compatible;

                let (touched, accept) = (<Self as Compatible>::TOUCHED, <Self as Compatible>::accept);
                Self::deserialize($crate::accepting::Accepting { inner: deserializer, touched, accept })
            }
        }
    };
}
pub(crate) use compatible;

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::{Compatible, Map, Value, for_published_clients};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(remote = "Self", rename_all = "camelCase")]
    struct Job {
        id: String,
        language: String,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(remote = "Self", rename_all = "camelCase")]
    struct Limit {
        amount: i64,
    }

    impl Compatible for Limit {
        const TOUCHED: &[&str] = &["cents"];

        fn accept(members: &mut Map<String, Value>) {
            super::accept(members, "cents", "amount");
        }
    }

    compatible!(Limit by functions);

    #[test]
    fn unknown_members_are_seen_by_whoever_looks_for_them() {
        let unknown = |json: &str| {
            let mut found = Vec::new();
            let mut note = |path: serde_ignored::Path<'_>| found.push(path.to_string());
            let mut text = serde_json::Deserializer::from_str(json);
            let deserializer = serde_ignored::Deserializer::new(&mut text, &mut note);
            let limit = Limit::deserialize_through(deserializer).unwrap();
            (limit.amount, found)
        };

        assert_eq!(unknown(r#"{"amount":1,"amonut":2}"#), (1, vec!["amonut".to_owned()]));
        assert_eq!(unknown(r#"{"cents":3}"#), (3, vec![]));
    }

    impl Limit {
        fn deserialize_through<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            serde::Deserialize::deserialize(deserializer)
        }
    }

    compatible!(Job, accepts { "lang" as "language", "jobId" as "id" }, serves { "id" as "jobId" });

    #[test]
    fn one_clean_name_is_ours_and_the_others_work() {
        let job = Job { id: "1".to_owned(), language: "python".to_owned() };
        let read = |json| serde_json::from_value::<Job>(json).unwrap();

        assert_eq!(read(json!({ "jobId": "1", "lang": "python" })), job);
        assert_eq!(read(json!({ "id": "1", "language": "python", "jobId": "served", "lang": "too" })), job);
        assert_eq!(serde_json::to_value(&job).unwrap(), json!({ "id": "1", "language": "python" }));
        let served = for_published_clients(|| serde_json::to_value([&job]).unwrap());
        assert_eq!(served, json!([{ "id": "1", "language": "python", "jobId": "1" }]));
    }
}
