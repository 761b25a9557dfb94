//! A gRPC service of texts: the request says what is to happen.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use futures::stream::{self, BoxStream, StreamExt as _};
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::server::{NamedService, ServerStreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};

/// Messages are texts.
#[derive(Clone, Default)]
pub struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let text = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }
}

/// What the handlers saw.
pub type Seen = Arc<Mutex<Vec<String>>>;

#[derive(Clone, Default)]
pub struct Service {
    pub seen: Seen,
    /// What a call named `tell` is answered with.
    pub told: Option<(Code, String, bytes::Bytes, MetadataMap)>,
    pub max_size: Option<usize>,
}

impl Service {
    async fn answer(self, text: String) -> Result<String, Status> {
        self.seen.lock().unwrap().push(text.clone());
        match text.split_once(' ').unwrap_or((&text, "")) {
            ("tell", _) => {
                let (code, text, details, metadata) = self.told.unwrap();
                Err(Status::with_details_and_metadata(code, text, details, metadata))
            }
            ("panic", _) => panic!("on purpose"),
            ("hang", _) => std::future::pending().await,
            ("large", size) => Ok("x".repeat(size.parse().unwrap())),
            ("slow", _) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(text)
            }
            _ => Ok(text),
        }
    }
}

impl UnaryService<String> for Service {
    type Response = String;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Status>> + Send>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let answer = self.clone().answer(request.into_inner());
        Box::pin(async { answer.await.map(Response::new) })
    }
}

/// Three messages, and then what the request says.
impl ServerStreamingService<String> for Service {
    type Response = String;
    type ResponseStream = BoxStream<'static, Result<String, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let answer = self.clone().answer(request.into_inner());
        let messages = stream::iter((1..=3).map(|number| Ok(number.to_string())));
        ready(Ok(Response::new(messages.chain(stream::once(answer)).boxed())))
    }
}

impl tower::Service<http::Request<Body>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Text);
            if let Some(size) = service.max_size {
                grpc = grpc.max_decoding_message_size(size);
            }
            match request.uri().path() {
                "/texts/Stream" => Ok(grpc.server_streaming(service, request).await),
                _ => Ok(grpc.unary(service, request).await),
            }
        })
    }
}

impl NamedService for Service {
    const NAME: &'static str = "texts";
}

/// Where it listens, and how it is shut down gracefully.
pub struct Running {
    pub address: SocketAddr,
    pub stop: Option<oneshot::Sender<()>>,
    pub task: tokio::task::JoinHandle<()>,
}

pub async fn serve(service: Service) -> Running {
    serve_with(Server::builder(), service).await
}

pub async fn serve_with(mut server: Server, service: Service) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let router = server.add_service(service);
    let task = tokio::spawn(async move {
        let stopped = async {
            // Dropping the sender is no stop.
            if stopped.await.is_err() {
                std::future::pending().await
            }
        };
        router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped).await.unwrap();
    });
    Running { address, stop: Some(stop), task }
}

pub fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).unwrap()
}

pub async fn unary(channel: Channel, text: &str) -> Result<String, Status> {
    unary_request(channel, Request::new(text.to_owned())).await
}

/// As a generated client does it.
pub async fn unary_request<S>(service: S, request: Request<String>) -> Result<String, Status>
where
    S: GrpcService<Body>,
    S::Error: Into<tonic::codegen::StdError>,
    S::ResponseBody: http_body_util::BodyExt<Data = bytes::Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    let mut grpc = tonic::client::Grpc::new(service);
    grpc.ready().await.map_err(|error| {
        Status::unknown(format!("Service was not ready: {}", Into::<tonic::codegen::StdError>::into(error)))
    })?;
    let path = PathAndQuery::from_static("/texts/Unary");
    grpc.unary(request, path, Text).await.map(Response::into_inner)
}

pub async fn streaming(channel: Channel, text: &str) -> Result<Streaming<String>, Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/texts/Stream");
    grpc.server_streaming(Request::new(text.to_owned()), path, Text).await.map(Response::into_inner)
}
