//! What a thousand broken calls leave behind: no descriptor, no task, and no memory to speak of.

#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;

use support::{
    PATIENCE, SESSION, call, events,
    keep_alive::{self, Asked, json},
    memory_used::{grown_since, resident},
    stream::text,
    transport,
    websocket::{entry, head, masked_frame},
};
use theazo::{CallOptions, Transport};
use tokio::{runtime::Handle, task::yield_now, time::timeout};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A way to break for each connection; none is of use for a second request.
fn broken(asked: &Asked<'_>) -> Option<Vec<u8>> {
    let whole = json(200, SESSION);
    match if asked.request > 1 { 0 } else { asked.connection % 8 } {
        0 => None,
        1 => Some(whole[..20].to_vec()),
        2 => Some(whole[..whole.len() - 1].to_vec()),
        3 => Some(b"garbage\r\n\r\n".to_vec()),
        4 => Some(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec()),
        5 => Some(events(&[], &(text(1, "a") + "id: 2\ndata: {")).into_bytes()),
        6 => Some([head(asked.socket_key()), entry("log_1"), masked_frame(1, b"x")].concat()),
        _ => Some(json(200, "<html>")),
    }
}

async fn use_once(transport: &Transport) {
    let options = || CallOptions::new().max_retries(0).timeout(Duration::from_millis(20));
    transport.call(call("GetSession", &["ses_1"]).options(options())).await.ok();
    for open in [call("StreamRun", &["arun_1"]), call("OpenLogSocket", &[])] {
        if let Ok(mut stream) = transport.open(open.options(options().deadline(Duration::from_millis(40)))).await {
            while let Some(Ok(_)) = stream.next().await {}
        }
    }
}

// The only test of its program, because it counts what the whole process has.
#[test]
fn row_21_broken_calls_leave_no_descriptor_no_task_and_no_memory_behind() {
    // The server has a runtime of its own, so that the client's tasks can be counted.
    let server_runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut server = server_runtime.block_on(keep_alive::Server::start(|asked| broken(&asked)));
    let client_runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    client_runtime.block_on(async {
        let settled = async |server: &mut keep_alive::Server| {
            let all = async {
                while Handle::current().metrics().num_alive_tasks() > 0 {
                    yield_now().await;
                }
                server.all_closed().await;
            };
            timeout(PATIENCE, all).await.expect("no task and no connection is left");
        };
        // Healthy connections stay in the pool as long as the client, so each round has a client of its own.
        let round = async |uses: usize, url: &str| {
            let transport = transport(url);
            for _ in 0..uses {
                use_once(&transport).await;
            }
        };
        round(16, &server.url).await;
        settled(&mut server).await;
        let (descriptors_before, memory_before) = (descriptors(), resident());

        round(100, &server.url).await;

        settled(&mut server).await;
        assert!(server.connections() > 300, "{} connections", server.connections());
        assert_eq!(descriptors(), descriptors_before);
        let grown = grown_since(memory_before);
        assert!(grown < 1 << 20, "{grown} bytes of memory");
    });
}
