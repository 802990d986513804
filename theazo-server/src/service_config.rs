//! What stored files and tools are set up with.

use std::path::PathBuf;

use theazo_api::Secret;

/// How much may be stored as files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesConfig {
    /// How many bytes one file may have; 20 MiB by default.
    pub max_file_bytes: u64,
    /// How many bytes the files of one account may have together; 10 GiB by default.
    pub max_account_bytes: u64,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self { max_file_bytes: 20 << 20, max_account_bytes: 10 << 30 }
    }
}

/// What the tools work with that need something set up. Agents do not have a tool whose part is absent.
#[derive(Debug, Clone, Default)]
pub struct ToolsConfig {
    /// Where `web_search` searches.
    pub search: Option<SearchConfig>,
    /// How `send_email` sends.
    pub mail: Option<MailConfig>,
    /// With which browser `screenshot` takes pictures.
    pub browser: BrowserConfig,
}

/// The browser of `screenshot`: a Chromium of this machine, or what takes the same arguments. It runs in a local sandbox, so
/// where there are none there is no browser. Pages of agents' own can show what it sees of this machine: `/usr`, its settings,
/// fonts, and its own folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BrowserConfig {
    /// The first that is where Chromium and Chrome usually are. A test plane looks for none.
    #[default]
    Usual,
    /// This one.
    At(PathBuf),
    /// None.
    Absent,
}

/// Where `web_search` searches. It is trusted, so it may be on this machine.
#[derive(Debug, Clone)]
pub struct SearchConfig {
    /// The address of the search: that of Brave Search, or of the page `search` of a SearXNG that answers in JSON.
    pub url: String,
    /// The key of Brave Search; a SearXNG has none.
    pub key: Option<Secret>,
}

impl SearchConfig {
    /// The address at which Brave Search answers.
    pub const BRAVE: &str = "https://api.search.brave.com/res/v1/web/search";
}

/// How `send_email` sends.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// The mail server with its credentials, for example `smtps://user:password@mail.example.com`.
    pub url: Secret,
    /// Who sends, for example `Agents <agents@example.com>`.
    pub from: String,
}
