//! What `THEAZO_LOG` asks for: the client's calls on standard error, line by line, the same for every language.

use std::{fmt::Write as _, io::Write as _};

use crate::{
    config::LogLevel,
    hooks::{ArrivedEvent, Hook, RequestEvent, ResponseEvent, RetryEvent},
};

/// How much of a body stands in a line.
const LONGEST_BODY: usize = 2000;

/// Writes what happens to standard error.
pub(crate) struct Log {
    level: LogLevel,
    bodies: bool,
    write: fn(&str),
}

impl Log {
    /// A log of this level, if anything is to be written at all.
    pub fn new(level: LogLevel, bodies: bool) -> Option<Self> {
        (level > LogLevel::Off).then_some(Self { level, bodies, write: to_standard_error })
    }

    fn line(&self, level: LogLevel, text: &str, body: Option<&[u8]>) {
        let mut line = format!("theazo {level:5} {text}");
        if let Some(body) = body.filter(|body| self.bodies && !body.is_empty()) {
            let piece = &body[..body.len().min(LONGEST_BODY)];
            let cut = if piece.len() < body.len() { "..." } else { "" };
            // A line stays one line, whatever is in a body.
            let _ = write!(line, " {}{cut}", String::from_utf8_lossy(piece).replace(['\n', '\r'], " "));
        }
        line.push('\n');
        (self.write)(&line);
    }
}

fn to_standard_error(line: &str) {
    // Nobody can be told that standard error is closed.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

impl Hook for Log {
    fn on_request(&self, request: &RequestEvent<'_>) {
        if self.level >= LogLevel::Debug {
            let text = format!("{} {} attempt {} sent", request.method, request.path, request.attempt);
            self.line(LogLevel::Debug, &text, request.body);
        }
    }

    fn on_response(&self, response: &ResponseEvent<'_>) {
        let level = if response.problem.is_some() { LogLevel::Error } else { LogLevel::Info };
        if self.level < level {
            return;
        }
        let mut text = format!("{} {} attempt {} ", response.method, response.path, response.attempt);
        match response.status {
            Some(status) => text.push_str(&status.to_string()),
            None => text.push_str("no answer"),
        }
        let _ = write!(text, " in {:?}", response.took);
        if !response.request_id.is_empty() {
            let _ = write!(text, " {}", response.request_id);
        }
        if let Some(problem) = response.problem {
            let _ = write!(text, ": {problem}");
        }
        self.line(level, &text, response.body);
    }

    fn on_retry(&self, retry: &RetryEvent<'_>) {
        if self.level >= LogLevel::Debug {
            let text = format!("{} pauses {:?} after attempt {}", retry.operation, retry.pause, retry.attempt);
            self.line(LogLevel::Debug, &text, None);
        }
    }

    fn on_stream_event(&self, event: &ArrivedEvent<'_>) {
        if self.level >= LogLevel::Trace {
            let text = format!("{} event {} of {} bytes", event.operation, event.id.unwrap_or("-"), event.data.len());
            self.line(LogLevel::Trace, &text, Some(event.data));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, time::Duration};

    use super::*;

    thread_local! {
        static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    fn lines(level: LogLevel, bodies: bool) -> Vec<String> {
        let log = Log { level, bodies, write: |line| LINES.with_borrow_mut(|lines| lines.push(line.to_owned())) };
        let response = |problem, status| ResponseEvent {
            operation: "GetSession",
            method: "GET",
            path: "/v1/sessions/ses_1",
            attempt: 1,
            status,
            request_id: "req_1",
            problem,
            took: Duration::from_millis(7),
            trace_id: "",
            body: Some(b"{\"a\":\n1}"),
        };
        log.on_response(&response(Some("it broke"), None));
        log.on_retry(&RetryEvent {
            operation: "GetSession",
            attempt: 1,
            pause: Duration::from_millis(250),
            problem: "it broke",
        });
        log.on_response(&response(None, Some(200)));
        log.on_stream_event(&ArrivedEvent { operation: "StreamLogs", id: Some("4"), data: b"{}" });
        LINES.take()
    }

    #[test]
    fn each_level_writes_what_it_says() {
        assert_eq!(
            lines(LogLevel::Error, false),
            ["theazo error GET /v1/sessions/ses_1 attempt 1 no answer in 7ms req_1: it broke\n"]
        );
        assert_eq!(
            lines(LogLevel::Info, false)[1..],
            ["theazo info  GET /v1/sessions/ses_1 attempt 1 200 in 7ms req_1\n"]
        );
        assert_eq!(lines(LogLevel::Debug, false)[1], "theazo debug GetSession pauses 250ms after attempt 1\n");
        assert_eq!(lines(LogLevel::Trace, false)[3], "theazo trace StreamLogs event 4 of 2 bytes\n");
        assert!(Log::new(LogLevel::Off, true).is_none());
    }

    #[test]
    fn bodies_stand_in_one_line_and_only_when_asked_for() {
        assert!(lines(LogLevel::Info, true)[1].ends_with(" req_1 {\"a\": 1}\n"));
    }
}
