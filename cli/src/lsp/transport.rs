//! Messages on a stream: a header with the length, then JSON.

use std::io::{self, BufRead, Write};

use serde_json::{Value, json};

/// What the other side sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// To a request of ours.
    Response {
        id: Value,
    },
    /// Not a message: the id to answer to, the code and the reason.
    Broken {
        id: Value,
        code: i64,
        reason: String,
    },
    /// The stream ended.
    End,
}

/// Codes of errors, from JSON-RPC 2.0 and the Language Server Protocol 3.17.
pub const PARSE_ERROR: i64 = -32700;
pub const INVALID_REQUEST: i64 = -32600;
pub const METHOD_NOT_FOUND: i64 = -32601;
pub const INVALID_PARAMS: i64 = -32602;
pub const INTERNAL_ERROR: i64 = -32603;
pub const NOT_INITIALIZED: i64 = -32002;
pub const REQUEST_CANCELLED: i64 = -32800;
pub const REQUEST_FAILED: i64 = -32803;

/// A message larger than this is not read: nobody writes a pattern file of that size.
const LARGEST: usize = 256 << 20;

/// Reads messages to the end of the stream, or until nobody listens.
pub fn read_all(stream: &mut impl BufRead, mut listener: impl FnMut(Incoming) -> bool) {
    loop {
        let message = match read(stream) {
            Ok(Some(body)) => understand(&body),
            Ok(None) | Err(_) => Incoming::End,
        };
        let end = message == Incoming::End;
        if !listener(message) || end {
            return;
        }
    }
}

/// The bytes of the next message; `None` at the end.
fn read(stream: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut length: Option<usize> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            // Without a length the lines before were noise: the next header counts.
            match length.take() {
                Some(length) if length <= LARGEST => {
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body)?;
                    return Ok(Some(body));
                }
                Some(length) => {
                    io::copy(&mut io::Read::take(&mut *stream, length as u64), &mut io::sink())?;
                    return Ok(Some(Vec::new()));
                }
                None => continue,
            }
        }
        if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
}

fn understand(body: &[u8]) -> Incoming {
    let broken = |id: Value, code, reason: String| Incoming::Broken { id, code, reason };
    let mut message: Value = match serde_json::from_slice(body) {
        Ok(message) => message,
        Err(error) => return broken(Value::Null, PARSE_ERROR, format!("this is not JSON: {error}")),
    };
    let id = message.get_mut("id").map(Value::take).filter(|id| !id.is_null());
    let params = message.get_mut("params").map(Value::take).unwrap_or_default();
    match (message.get("method").and_then(Value::as_str), id) {
        (Some(method), Some(id)) => Incoming::Request { id, method: method.to_owned(), params },
        (Some(method), None) => Incoming::Notification { method: method.to_owned(), params },
        (None, Some(id)) if message.get("result").is_some() || message.get("error").is_some() => Incoming::Response { id },
        (None, id) => broken(id.unwrap_or_default(), INVALID_REQUEST, "a message has a `method`, or answers a request".into()),
    }
}

/// Writes messages.
pub struct Outgoing<W> {
    stream: W,
    /// How many requests were made.
    requests: u64,
}

impl<W: Write> Outgoing<W> {
    pub fn new(stream: W) -> Self {
        Outgoing { stream, requests: 0 }
    }

    pub fn result(&mut self, id: &Value, result: Value) -> io::Result<()> {
        self.send(json!({ "jsonrpc": "2.0", "id": id, "result": result }))
    }

    pub fn error(&mut self, id: &Value, code: i64, message: &str) -> io::Result<()> {
        self.send(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }))
    }

    pub fn notify(&mut self, method: &str, params: Value) -> io::Result<()> {
        self.send(json!({ "jsonrpc": "2.0", "method": method, "params": params }))
    }

    /// Asks the editor for something; its answer is not waited for.
    pub fn request(&mut self, method: &str, params: Value) -> io::Result<()> {
        self.requests += 1;
        self.send(json!({ "jsonrpc": "2.0", "id": format!("patternc-{}", self.requests), "method": method, "params": params }))
    }

    fn send(&mut self, message: Value) -> io::Result<()> {
        let body = message.to_string();
        write!(self.stream, "Content-Length: {}\r\n\r\n{body}", body.len())?;
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(stream: &[u8]) -> Vec<Incoming> {
        let mut all = Vec::new();
        read_all(&mut io::BufReader::new(stream), |message| {
            all.push(message);
            true
        });
        all
    }

    fn framed(body: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn broken_messages_are_told_apart_and_passed_over() {
        let stream = framed("{") + &framed("{}") + &framed("[1]") + &framed(r#"{"id":1,"method":"m"}"#);
        let codes: Vec<Option<i64>> = heard(stream.as_bytes())
            .iter()
            .map(|message| match message {
                Incoming::Broken { code, .. } => Some(*code),
                _ => None,
            })
            .collect();
        assert_eq!(codes, [Some(PARSE_ERROR), Some(INVALID_REQUEST), Some(INVALID_REQUEST), None, None]);
    }

    #[test]
    fn headers_are_read_whatever_their_case_and_order() {
        let body = r#"{"method":"m"}"#;
        let stream = format!("content-type: x\r\nCONTENT-LENGTH: {}\r\n\r\n{body}", body.len());
        let wanted = Incoming::Notification { method: "m".into(), params: Value::Null };
        assert_eq!(heard(stream.as_bytes()), [wanted, Incoming::End]);
    }

    #[test]
    fn noise_before_a_header_is_passed_over() {
        let stream = format!("hello\r\n\r\n{}", framed(r#"{"id":1,"result":null}"#));
        assert_eq!(heard(stream.as_bytes())[0], Incoming::Response { id: 1.into() });
    }
}
