//! The floor: the least that a function over HTTP can be in Rust. It answers every request with an empty
//! object.
//!
//! What a callback's function costs above this is what the callback costs.

use lambda_http::http::header::CONTENT_TYPE;
use lambda_http::{Body, Error, Request, Response, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(answer)).await
}

async fn answer(_: Request) -> Result<Response<Body>, Error> {
    Ok(Response::builder().header(CONTENT_TYPE, "application/json").body("{}".into())?)
}
