use http::{HeaderMap, StatusCode};
use standardwebhooks::Webhook; // 1.0.1 or later: 1.0.0 takes a signature that is cut short

fn receive(webhook: &Webhook, headers: &HeaderMap, body: &[u8]) -> StatusCode {
    match webhook.verify(body, headers) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::UNAUTHORIZED,
    }
}
