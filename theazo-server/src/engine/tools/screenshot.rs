//! `screenshot`: a picture of a page, as a file of the sandbox.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use theazo_api::AgentId;
use tokio::sync::Semaphore;

use super::{Call, Failure, Outcome, Tool, schema};
use crate::{
    engine::{
        browser::{Browser, Page, PageSource, Picture},
        places::without_place,
    },
    error::AppError,
    model::ToolSpec,
    outbound::Guard,
    random,
};

/// How many browsers run at once. The rest wait their turn.
const AT_ONCE: usize = 2;

/// How small and how large a picture may be, in pixels.
const SIZES: std::ops::RangeInclusive<u32> = 100..=8_000;

/// How many pixels a picture may have altogether.
const MOST_PIXELS: u32 = 20_000_000;

pub struct Screenshot {
    browser: Browser,
    guard: Guard,
    at_once: Semaphore,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    source: String,
    path: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
}

impl Screenshot {
    /// Takes pictures of pages that `guard` lets through.
    pub fn new(browser: Browser, guard: Guard) -> Self {
        Self { browser, guard, at_once: Semaphore::new(AT_ONCE) }
    }

    /// What is to be shown. The page of an address is loaded by the browser, whose every request is looked at again.
    async fn page_source(&self, call: &Call<'_>, source: String) -> Result<PageSource, Failure> {
        if source.starts_with("https://") || source.starts_with("http://") {
            let checked = self.guard.check_url(&source, call.domains);
            let url = call.checked(checked).await?;
            let addresses = self.guard.addresses(url.host_str().unwrap_or_default()).await;
            call.checked(addresses).await?;
            return Ok(PageSource::Address(url.into()));
        }
        let content = call.read_file(&source).await?;
        Ok(PageSource::Document { name: document_name(&source), content })
    }
}

impl Tool for Screenshot {
    fn specification(&self) -> ToolSpec {
        let pixels = |usual: u32| {
            json!({
                "type": "integer", "minimum": SIZES.start(), "maximum": SIZES.end(),
                "description": format!("Pixels; {usual} by default."),
            })
        };
        ToolSpec {
            name: "screenshot",
            description: "Takes a picture of a page, from its top, and saves it as a PNG file in the sandbox.",
            input_schema: schema(
                json!({
                    "source": {
                        "type": "string",
                        "description": "A public address, or the path of a file in the sandbox: HTML, SVG or an image.",
                    },
                    "path": { "type": "string", "description": "Where to save the picture." },
                    "width": pixels(1280),
                    "height": pixels(800),
                }),
                &["source"],
            ),
        }
    }

    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let Input { source, path, width, height } = call.input()?;
            let (width, height) = size(width, height).map_err(Failure::Told)?;
            let page = Page { source: self.page_source(call, source).await?, width, height };
            let agent_id = AgentId::from(call.scope.agent_id.as_str());
            let taken = without_place(async {
                let _turn = self.at_once.acquire().await;
                call.engine.take_picture(&self.browser, call.tenant, &agent_id, page).await
            });
            let taken = taken.await;
            let Picture { png, missed } =
                taken.map_err(|error| Failure::Told(AppError::from(error).into_detail().message))?;
            let path = path.unwrap_or_else(|| {
                let now = call.engine.app.clock.now();
                format!("/workspace/screenshot-{}.png", random::id_suffix(now))
            });
            let saved = format!("a picture of {width} x {height} pixels ({} bytes) was saved to {path}", png.len());
            call.write_file(&path, png).await?;
            let missed = missed.iter().map(|reason| format!("\n[not loaded: {reason}]"));
            Ok(saved + &missed.collect::<String>())
        })
    }

    fn is_repeatable(&self, _: &Map<String, Value>) -> bool {
        true
    }
}

fn size(width: Option<u32>, height: Option<u32>) -> Result<(u32, u32), String> {
    let (width, height) = (width.unwrap_or(1280), height.unwrap_or(800));
    if !SIZES.contains(&width) || !SIZES.contains(&height) {
        return Err(format!("`width` and `height` must be from {} to {}", SIZES.start(), SIZES.end()));
    }
    if width * height > MOST_PIXELS {
        return Err(format!("a picture may have {MOST_PIXELS} pixels, and {width} x {height} are more"));
    }
    Ok((width, height))
}

/// What a document is called where the browser finds it: its ending tells the browser of which kind it is.
fn document_name(path: &str) -> String {
    let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    let is_plain = |ending: &&str| ending.len() <= 8 && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    format!("page.{}", ending.filter(is_plain).unwrap_or("html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_size_within_bounds() {
        assert_eq!(size(None, None), Ok((1280, 800)));
        assert_eq!(size(Some(2_500), Some(8_000)), Ok((2_500, 8_000)));
        assert_eq!(size(Some(99), None), Err("`width` and `height` must be from 100 to 8000".to_owned()));
        assert_eq!(
            size(Some(2_501), Some(8_000)),
            Err("a picture may have 20000000 pixels, and 2501 x 8000 are more".to_owned())
        );
    }

    #[test]
    fn a_document_keeps_its_ending_and_nothing_else_of_its_name() {
        for (path, name) in [
            ("report.html", "page.html"),
            ("/workspace/a b/chart.SVG", "page.SVG"),
            ("notes", "page.html"),
            ("x.html;rm", "page.html"),
            ("folder.d/readme", "page.html"),
        ] {
            assert_eq!(document_name(path), name);
        }
    }
}
