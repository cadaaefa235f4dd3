//! Bodies of requests, bounded.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::consul::error::ApiError;

/// Reads the whole body.
///
/// # Errors
/// 413 when it has more than `most` bytes, 400 when the connection broke.
pub(crate) async fn read_body(body: Incoming, most: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("Request body too large, max size: {most} bytes."),
        )),
        Err(error) => Err(ApiError::bad_request(format!(
            "Request body could not be read: {error}"
        ))),
    }
}
