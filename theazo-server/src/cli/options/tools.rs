//! What the tools of agents work with, and what may be stored.

use std::path::{Path, PathBuf};

use theazo_api::Secret;
use theazo_server::{BrowserConfig, FilesConfig, MailConfig, PlaneConfig, SearchConfig, ToolsConfig};

use crate::cli::Failure;

/// Tools and files of a control plane.
#[derive(clap::Args)]
pub struct ToolOptions {
    /// Where the tool `web_search` searches: a SearXNG's page `search`, say; Brave Search if only its key is given.
    #[arg(long, env = "THEAZO_SEARCH_URL", value_name = "URL")]
    search_url: Option<String>,
    /// The key of Brave Search, which then is where the tool `web_search` searches.
    #[arg(long, env = "THEAZO_SEARCH_KEY", value_name = "KEY", hide_env_values = true)]
    search_key: Option<String>,
    /// The mail server of the tool `send_email`, for example smtps://user:password@mail.example.com.
    #[arg(long, env = "THEAZO_SMTP_URL", value_name = "URL", hide_env_values = true)]
    smtp_url: Option<String>,
    /// Who sends e-mails, for example "Agents <agents@example.com>".
    #[arg(long, env = "THEAZO_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// The Chromium with which the tool `screenshot` takes pictures, in a local sandbox that sees its folder, too; `none` for
    /// no such tool. By default the first that is where Chromium and Chrome usually are.
    #[arg(long, env = "THEAZO_CHROMIUM", value_name = "FILE")]
    chromium: Option<PathBuf>,
    /// The address at which everybody reaches the plane, for example https://agents.example.com; by default that at which a
    /// caller reached it.
    #[arg(long, env = "THEAZO_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// How many bytes a stored file may have.
    #[arg(long, env = "THEAZO_MAX_FILE_BYTES", value_name = "BYTES", default_value_t = FilesConfig::default().max_file_bytes)]
    max_file_bytes: u64,
    /// How many bytes the stored files of an account may have altogether.
    #[arg(
        long,
        env = "THEAZO_MAX_ACCOUNT_BYTES",
        value_name = "BYTES",
        default_value_t = FilesConfig::default().max_account_bytes
    )]
    max_account_bytes: u64,
}

impl ToolOptions {
    /// The control plane with these tools.
    pub fn apply(&self, mut config: PlaneConfig) -> Result<PlaneConfig, Failure> {
        if self.smtp_url.is_some() != self.mail_from.is_some() {
            return Err("`smtp_url` and `mail_from` belong together; set both or neither".into());
        }
        let key = self.search_key.as_ref().map(Secret::from);
        let url = self.search_url.clone().or_else(|| key.as_ref().map(|_| SearchConfig::BRAVE.to_owned()));
        let mail = self.smtp_url.as_ref().zip(self.mail_from.clone());
        let browser = self.browser()?;
        config.tools = ToolsConfig {
            search: url.map(|url| SearchConfig { url, key }),
            mail: mail.map(|(url, from)| MailConfig { url: url.into(), from }),
            browser,
        };
        config.public_url.clone_from(&self.public_url);
        config.files = FilesConfig { max_file_bytes: self.max_file_bytes, max_account_bytes: self.max_account_bytes };
        Ok(config)
    }

    fn browser(&self) -> Result<BrowserConfig, Failure> {
        let Some(chromium) = &self.chromium else { return Ok(BrowserConfig::Usual) };
        if chromium == Path::new("none") {
            return Ok(BrowserConfig::Absent);
        }
        let problem = if !chromium.is_absolute() {
            "is not an absolute path"
        } else if chromium.parent() == Some(Path::new("/tmp")) {
            "is right in /tmp, which each sandbox has for itself; put it into a folder of its own"
        } else if !chromium.is_file() {
            "is no file"
        } else {
            return Ok(BrowserConfig::At(chromium.clone()));
        };
        Err(format!("`chromium` is `{}`, which {problem}", chromium.display()).into())
    }
}
