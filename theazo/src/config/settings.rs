//! Everything that can be set by a value, in one table: its name, type, variable, default, and how it is shown.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use theazo_api::{DurationInput, Secret};

use super::{Config, explain::Source};
use crate::{error::Error, transport::without_user_part};

/// The public API.
pub const DEFAULT_BASE_URL: &str = "https://api.theazo.com";

/// How long one attempt of a plain request may take.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long it may take to connect.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a call is tried again.
pub const DEFAULT_MAX_RETRIES: u32 = 2;

/// How long an idle connection is kept: shorter than the minute after which common load balancers close it.
pub const DEFAULT_POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// How large an answer may be that is not a stream: 256 MiB.
pub const DEFAULT_MAX_ANSWER_BYTES: u64 = 256 << 20;

/// Which version of HTTP is spoken. [`Config::http_version`] takes it; the variable `THEAZO_HTTP_VERSION` has it as text.
///
/// ```
/// use theazo::config::HttpVersion;
///
/// assert_eq!("1.1".parse(), Ok(HttpVersion::Http1));
/// assert_eq!(HttpVersion::default(), HttpVersion::Auto);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/2 where TLS agrees on it, else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone, also without TLS.
    Http2,
}

impl std::str::FromStr for HttpVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            "1" | "1.1" => Ok(Self::Http1),
            "2" => Ok(Self::Http2),
            other => Err(format!("`{other}` is not `auto`, `1` or `2`")),
        }
    }
}

impl fmt::Display for HttpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Http1 => "1",
            Self::Http2 => "2",
        })
    }
}

/// How much the client writes to standard error about its calls. [`Config::log`] takes it; the variable `THEAZO_LOG` has it
/// as text.
///
/// ```
/// use theazo::config::LogLevel;
///
/// assert_eq!("debug".parse(), Ok(LogLevel::Debug));
/// assert!(LogLevel::Debug > LogLevel::Info, "a level includes those before it");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LogLevel {
    /// Nothing.
    #[default]
    Off,
    /// Calls that failed.
    Error,
    /// Every call, in one line.
    Info,
    /// Every attempt and every pause too.
    Debug,
    /// Every event of a stream too.
    Trace,
}

impl std::str::FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "off" => Ok(Self::Off),
            "error" | "warn" => Ok(Self::Error),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            other => Err(format!("`{other}` is not `off`, `error`, `info`, `debug` or `trace`")),
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident($input:ty): $ty:ty = $variable:literal, read $parse:path, show $show:path, default $default:expr;
    )+) => {
        /// What was set, and where each value comes from.
        #[derive(Clone, Default)]
        pub(crate) struct Settings {
            $(pub $name: Option<$ty>,)+
            sources: BTreeMap<&'static str, Source>,
        }

        impl Config {
            $(
                $(#[doc = $doc])+
                #[doc = ""]
                #[doc = concat!("From the environment: `", $variable, "`.")]
                pub fn $name(mut self, $name: $input) -> Self {
                    self.settings.$name = Some($name.into());
                    self.settings.sources.insert(stringify!($name), Source::Builder);
                    self
                }
            )+
        }

        impl Settings {
            /// Takes what is not set from the environment.
            pub fn fill(&mut self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), Error> {
                $(
                    if self.$name.is_none()
                        && let Some(text) = lookup($variable).filter(|text| !text.trim().is_empty())
                    {
                        let read = $parse(text.trim());
                        let value = read
                            .map_err(|problem| Error::configuration(format!(concat!($variable, ": {}"), problem)))?;
                        self.$name = Some(value);
                        self.sources.insert(stringify!($name), Source::Environment($variable));
                    }
                )+
                Ok(())
            }

            /// Each setting: its name, its variable, its value or default as it is shown, and where that comes from.
            pub fn each(&self) -> Vec<(&'static str, &'static str, String, Source)> {
                vec![$({
                    let source = self.sources.get(stringify!($name)).copied().unwrap_or(Source::Default);
                    let shown = self.$name.as_ref().map_or_else(|| String::from($default), |value| $show(value));
                    (stringify!($name), $variable, shown, source)
                }),+]
            }
        }
    };
}

settings! {
    /// The API key.
    api_key(impl Into<Secret>): Secret = "THEAZO_API_KEY", read secret, show masked, default "none";
    /// Where the API is: an `http` or `https` address, or `local` for a control plane inside this process;
    /// `https://api.theazo.com` by default.
    base_url(impl Into<String>): String = "THEAZO_BASE_URL", read text, show address, default DEFAULT_BASE_URL;
    /// How long one attempt of a plain request may take, its body included; 30 seconds by default. Runs, waits and streams
    /// are not bound by it.
    timeout(Duration): Duration = "THEAZO_TIMEOUT", read duration, show seconds, default "30s";
    /// How long a call may take in all, with every attempt and the pauses between them; no limit by default.
    deadline(Duration): Duration = "THEAZO_DEADLINE", read duration, show seconds, default "none";
    /// How long it may take to connect; 5 seconds by default.
    connect_timeout(Duration): Duration = "THEAZO_CONNECT_TIMEOUT", read duration, show seconds, default "5s";
    /// How often a call is tried again after a failure that may pass; 2 by default, 0 turns retries off.
    max_retries(u32): u32 = "THEAZO_MAX_RETRIES", read whole, show plain, default "2";
    /// The proxy that requests go through, `none` for none; `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count by
    /// default.
    proxy(impl Into<String>): String = "THEAZO_PROXY", read text, show address, default system_proxy();
    /// A file with the certificates, in PEM form, of authorities that are trusted besides those of the operating system.
    ca_file(impl Into<PathBuf>): PathBuf = "THEAZO_CA_FILE", read path, show file, default "none";
    /// Which version of HTTP is spoken; by default HTTP/2 where TLS agrees on it, else HTTP/1.1.
    http_version(HttpVersion): HttpVersion = "THEAZO_HTTP_VERSION", read http_version, show plain, default "auto";
    /// How many idle connections are kept for each host; as many as were needed by default.
    pool_max_idle(u32): u32 = "THEAZO_POOL_MAX_IDLE", read whole, show plain, default "unlimited";
    /// How long an idle connection is kept; 50 seconds by default.
    pool_idle_timeout(Duration): Duration = "THEAZO_POOL_IDLE_TIMEOUT", read duration, show seconds, default "50s";
    /// How many bytes an answer may have that is not a stream; 256 MiB by default.
    max_answer_bytes(u64): u64 = "THEAZO_MAX_ANSWER_BYTES", read bytes, show plain, default "268435456";
    /// How much the client writes to standard error about its calls; nothing by default. Secrets are never written.
    log(LogLevel): LogLevel = "THEAZO_LOG", read log_level, show plain, default "off";
    /// Whether what is written has the bodies of requests and answers too, which may hold what your users said; not by
    /// default.
    log_bodies(bool): bool = "THEAZO_LOG_BODIES", read flag, show plain, default "false";
}

impl Settings {
    /// Refuses a time in which nothing can happen.
    pub fn check(&self) -> Result<(), Error> {
        let times = [("timeout", self.timeout), ("deadline", self.deadline), ("connect_timeout", self.connect_timeout)];
        match times.into_iter().find(|(_, time)| *time == Some(Duration::ZERO)) {
            Some((name, _)) => Err(Error::configuration(format!("`{name}` must be longer than zero"))),
            None => Ok(()),
        }
    }
}

/// The variable of the process.
pub(crate) fn lookup_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::from(text))
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse().map(|duration: DurationInput| duration.0)
}

fn whole(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number such as `2`"))
}

fn bytes(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number of bytes such as `1048576`"))
}

fn http_version(text: &str) -> Result<HttpVersion, String> {
    text.parse()
}

fn log_level(text: &str) -> Result<LogLevel, String> {
    text.parse()
}

fn flag(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        other => Err(format!("`{other}` is not `1` or `0`")),
    }
}

/// The kind of key and its last characters are enough to tell keys apart.
fn masked(secret: &Secret) -> String {
    let text = secret.expose().trim();
    let kind = ["th_live_", "th_test_"].into_iter().find(|kind| text.starts_with(kind)).unwrap_or_default();
    let last = text.get(kind.len()..).filter(|rest| rest.len() >= 16).map_or("", |rest| &rest[rest.len() - 4..]);
    format!("{kind}...{last}")
}

fn address(text: &str) -> String {
    without_user_part(text.trim())
}

fn seconds(duration: &Duration) -> String {
    format!("{duration:?}")
}

fn file(path: &Path) -> String {
    path.display().to_string()
}

fn plain(value: &impl fmt::Display) -> String {
    value.to_string()
}

/// The proxy that the variables of the system name.
fn system_proxy() -> String {
    let named = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].into_iter();
    let set = named.filter_map(|name| Some((name, lookup_environment(name).filter(|value| !value.is_empty())?)));
    let shown: Vec<String> = set.map(|(name, value)| format!("{} ({name})", without_user_part(&value))).collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        let value = match name {
            "THEAZO_API_KEY" => "th_test_environment",
            "THEAZO_BASE_URL" => "http://localhost:4000",
            "THEAZO_TIMEOUT" => "45s",
            "THEAZO_MAX_RETRIES" => "7",
            "THEAZO_LOG" => "debug",
            "THEAZO_PROXY" => " ",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn filled(mut config: Config) -> Settings {
        config.settings.fill(&environment).unwrap();
        config.settings
    }

    #[test]
    fn the_environment_fills_in_what_is_not_set() {
        let settings = filled(Config::new());

        assert_eq!(settings.api_key.unwrap().expose(), "th_test_environment");
        assert_eq!(settings.base_url.as_deref(), Some("http://localhost:4000"));
        assert_eq!(settings.timeout, Some(Duration::from_secs(45)));
        assert_eq!(settings.max_retries, Some(7));
        assert_eq!(settings.log, Some(LogLevel::Debug));
        assert_eq!(settings.proxy, None, "an empty variable counts as not set");
    }

    #[test]
    fn what_is_set_wins_over_the_environment() {
        let settings = filled(Config::with_api_key("mine").max_retries(0).base_url("local"));

        assert_eq!(settings.api_key.unwrap().expose(), "mine");
        assert_eq!(settings.max_retries, Some(0));
        assert_eq!(settings.base_url.as_deref(), Some("local"));
        assert_eq!(settings.timeout, Some(Duration::from_secs(45)));
    }

    #[test]
    fn a_variable_that_cannot_be_understood_is_named() {
        let table = [
            ("THEAZO_TIMEOUT", "45", "`45` is not a duration such as `90s`, `10m`, `1h 30m` or `7d`"),
            ("THEAZO_MAX_RETRIES", "many", "`many` is not a whole number such as `2`"),
            ("THEAZO_HTTP_VERSION", "3", "`3` is not `auto`, `1` or `2`"),
            ("THEAZO_LOG", "loud", "`loud` is not `off`, `error`, `info`, `debug` or `trace`"),
            ("THEAZO_LOG_BODIES", "yes", "`yes` is not `1` or `0`"),
            ("THEAZO_MAX_ANSWER_BYTES", "1k", "`1k` is not a number of bytes such as `1048576`"),
        ];

        for (variable, value, problem) in table {
            let lookup = |name: &str| (name == variable).then(|| value.to_owned());

            let error = Config::new().settings.fill(&lookup).unwrap_err();

            assert_eq!(error.to_string(), format!("{variable}: {problem}"));
        }
    }

    #[test]
    fn a_key_is_masked_to_its_kind_and_its_end() {
        let shown = |key: &str| masked(&Secret::from(key));

        assert_eq!(shown("th_live_0123456789abcdefWXYZ"), "th_live_...WXYZ");
        assert_eq!(shown("th_test_short"), "th_test_...");
        assert_eq!(shown("anything"), "...");
    }
}
