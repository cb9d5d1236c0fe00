//! The operators' console at `/`: files that are compiled into the binary, and the headers that keep a browser from running, loading
//! or sending anything else. What the pages do is in `console/`; they use the admin API like any other client.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::flags::matches;
use super::problem::Problem;

/// Scripts, styles, pictures and requests come from and go to this address alone; nothing is inline; no text becomes markup or code by
/// mistake (`require-trusted-types-for`); no other page may frame this one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

struct File {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($path:literal: $kind:expr),* $(,)?) => {
        [$(File { path: $path, kind: $kind, bytes: include_bytes!(concat!("../../console/", $path)) }),*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

static FILES: [File; 22] = files! {
    "index.html": HTML,
    "style.css": STYLE,
    "icon.svg": PICTURE,
    "app.js": SCRIPT,
    "api.js": SCRIPT,
    "chart.js": SCRIPT,
    "dom.js": SCRIPT,
    "form.js": SCRIPT,
    "format.js": SCRIPT,
    "parts.js": SCRIPT,
    "pages/campaign.js": SCRIPT,
    "pages/campaigns.js": SCRIPT,
    "pages/experiment.js": SCRIPT,
    "pages/experiments.js": SCRIPT,
    "pages/flag.js": SCRIPT,
    "pages/flags.js": SCRIPT,
    "pages/player.js": SCRIPT,
    "pages/pool.js": SCRIPT,
    "pages/segments.js": SCRIPT,
    "vendor/uplot/uPlot.iife.min.js": SCRIPT,
    "vendor/uplot/uPlot.min.css": STYLE,
    "vendor/uplot/LICENSE": TEXT,
};

/// The files' tags, in their order: a browser asks each time and is told that nothing has changed.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    FILES.iter().map(|file| format!("\"{}\"", hex::encode(&Sha256::digest(file.bytes)[..8]))).collect()
});

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(|headers: HeaderMap| async move { answer("index.html", &headers) })).route(
        "/console/{*path}",
        get(|Path(path): Path<String>, headers: HeaderMap| async move { answer(&path, &headers) }),
    )
}

/// No answer of this address is anything but what its type says, whoever opens it.
pub(super) async fn as_it_is(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn answer(path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let place = FILES.iter().position(|file| file.path == path);
    let (file, tag) =
        place.and_then(|place| FILES.get(place).zip(TAGS.get(place))).ok_or_else(super::no_path)?;
    let mut response = if matches(headers, tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, file.kind)], file.bytes).into_response()
    };
    let common = response.headers_mut();
    for (name, value) in HEADERS {
        common.insert(name, HeaderValue::from_static(value));
    }
    common.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        common.insert(header::ETAG, tag);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is not listed is not served; one that nobody loads is dead weight.
    #[test]
    fn every_file_of_the_console_is_served() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                match (name.as_str(), path.is_dir()) {
                    ("tests" | "README.md", _) => {}
                    (_, true) => folders.push(path),
                    (_, false) => found.push(name),
                }
            }
        }
        found.sort();
        let mut served: Vec<&str> = FILES.iter().map(|file| file.path).collect();
        served.sort_unstable();
        assert_eq!(found, served);
    }
}
