//! The body of a stream: server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// Where events go to. What waits there is at most one answer.
#[derive(Clone, Debug)]
pub(super) struct Events(UnboundedSender<Bytes>);

impl Events {
    /// Sends an object. A client that has gone away does not want it.
    pub(super) fn send(&self, event: &Value) {
        self.put(format!("data: {event}\n\n"));
    }

    /// Tells that the stream is complete.
    pub(super) fn done(&self) {
        self.put(String::from("data: [DONE]\n\n"));
    }

    /// A sign of life, which clients skip.
    pub(super) fn keep_alive(&self) {
        self.put(String::from(": keep-alive\n\n"));
    }

    fn put(&self, text: String) {
        // The body is gone, and whoever writes here is told by being dropped.
        let _ = self.0.send(Bytes::from(text));
    }
}

/// A body of events. Dropping it ends the task that makes them.
#[derive(Debug)]
pub(super) struct EventBody {
    events: UnboundedReceiver<Bytes>,
    maker: JoinHandle<()>,
}

impl EventBody {
    /// The body that a task fills.
    pub(super) fn new<T: Future<Output = ()> + Send + 'static>(make: impl FnOnce(Events) -> T) -> Self {
        let (sender, events) = unbounded_channel();
        Self { events, maker: tokio::spawn(make(Events(sender))) }
    }
}

impl HttpBody for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.events.poll_recv(context).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Drop for EventBody {
    fn drop(&mut self) {
        self.maker.abort();
    }
}
