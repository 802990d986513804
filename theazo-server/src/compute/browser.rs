//! Browsers of this machine that run in sandboxes.

use std::path::{Path, PathBuf};

use theazo_sandbox::Limits;

/// Where Chromium and Chrome usually are.
const USUAL_PLACES: [&str; 6] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/chromium-headless-shell",
    "/usr/bin/google-chrome",
    "/usr/bin/google-chrome-stable",
    "/opt/google/chrome/chrome",
];

/// What browsers read beside their own folder: their settings, and which fonts there are.
const SETTINGS: [&str; 4] = ["/etc/chromium", "/etc/chromium.d", "/etc/fonts", "/etc/chromium-browser"];

/// The first browser that is in its usual place.
pub fn find_browser() -> Option<PathBuf> {
    USUAL_PLACES.map(PathBuf::from).into_iter().find(|place| place.is_file())
}

/// What the sandbox of a browser may use: one page is shown in it, once.
pub fn browser_limits() -> Limits {
    Limits {
        memory: 1 << 30,
        processes: 256,
        temporary: 128 << 20,
        file: 128 << 20,
        stored: 256 << 20,
        ..Limits::default()
    }
}

/// The folders of the host that a browser needs, beside `/usr`, which every sandbox has.
pub fn browser_folders(browser: &Path) -> Vec<PathBuf> {
    let real = browser.canonicalize().unwrap_or_else(|_| browser.to_owned());
    let own = [browser, &real].map(|path| path.parent().unwrap_or(path).to_owned());
    let is_elsewhere = |folder: &PathBuf| !["/usr", "/bin", "/sbin"].iter().any(|known| folder.starts_with(known));
    let mut folders: Vec<PathBuf> = own.into_iter().filter(is_elsewhere).collect();
    folders.dedup();
    folders.extend(SETTINGS.map(PathBuf::from).into_iter().filter(|folder| folder.is_dir()));
    folders
}
