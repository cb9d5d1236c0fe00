//! The small forms that a fetch reads and writes: versions, `Retry-After`, `ETag`, the query. It decides nothing else.

use crate::io::HttpReply;
use crate::protocol::json;
use crate::protocol::limits::FLAGS_INTERVAL_MS;
use crate::text::digits;

/// A server's `Retry-After` counts up to this.
const RETRY_AFTER_MAX_MS: u64 = 3_600_000;
/// A longer `ETag` is not kept.
const MAX_ETAG_BYTES: usize = 256;

/// The number of a version such as `v17`.
fn number(version: &str) -> Option<u64> {
    digits(version.strip_prefix('v').unwrap_or(version))
}

/// Whether `a` is newer than `b`; of versions that are not numbered, whether it is another one.
pub(super) fn newer(a: &str, b: &str) -> bool {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a > b,
        _ => !a.is_empty() && a != b,
    }
}

/// The same, but versions that are not numbered are of one age.
pub(super) fn newer_number(a: &str, b: &str) -> bool {
    matches!((number(a), number(b)), (Some(a), Some(b)) if a > b)
}

/// `Retry-After` in milliseconds. A date would need the server's clock: it counts as the least interval.
pub(super) fn retry_after(reply: &HttpReply<'_>) -> Option<u64> {
    let seconds = digits(reply.header("retry-after")?.trim_ascii());
    Some(seconds.map_or(FLAGS_INTERVAL_MS, |seconds| seconds.min(RETRY_AFTER_MAX_MS / 1_000) * 1_000))
}

/// Whether it can go back in a header.
pub(super) fn is_etag(etag: &str) -> bool {
    etag.len() <= MAX_ETAG_BYTES && etag.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// Attributes as `&attr.name=value…` by name; what is not a flat object says nothing.
pub(super) fn query_of(json: &str) -> String {
    let mut query = String::new();
    for (name, raw) in &json::sorted(json).unwrap_or_default() {
        let text = if raw.starts_with('"') { json::string(raw) } else { Some((*raw).into()) };
        let Some(text) = text.filter(|_| *raw != "null" && json::is_scalar(raw)) else { continue };
        query.push_str("&attr.");
        percent_encode(&mut query, name);
        query.push('=');
        percent_encode(&mut query, &text);
    }
    query
}

/// RFC 3986: everything but the unreserved characters is escaped.
pub(super) fn percent_encode(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}
