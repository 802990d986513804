//! A thousand callers on a server that is dead: the retry budget keeps them from making it worse.

use std::net::TcpListener;

use theazo::{Config, Theazo};

use crate::{
    calls,
    report::{Bar, Spread},
};

const CALLERS: usize = 1_000;

/// Measures attempts over calls: of the crowd that spends the budget, and of a crowd that finds it spent.
pub fn measure() {
    let runtime = calls::runtime();
    // A port that was free a moment ago: nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    runtime.block_on(async {
        let theazo = Config::with_api_key("th_test_1").base_url(url).build().await.expect("it is built");
        for crowd in ["that spends the budget", "that finds it spent"] {
            let attempts = attempts(&theazo).await;
            Spread::of([attempts as f64 / CALLERS as f64]).report(
                &format!("retry storm, a crowd {crowd}: attempts over calls"),
                Bar::AtMost(1.1),
                &format!("{attempts} attempts of {CALLERS} callers"),
            );
        }
    });
}

/// How many attempts a crowd makes in all. No call succeeds.
async fn attempts(theazo: &Theazo) -> usize {
    let callers = (0..CALLERS).map(|_| {
        let theazo = theazo.clone();
        tokio::spawn(async move {
            let error = theazo.sessions().get("ses_1").await.expect_err("nobody answers");
            error.attempts().len()
        })
    });
    let mut attempts = 0;
    for caller in callers.collect::<Vec<_>>() {
        attempts += caller.await.expect("it ends");
    }
    attempts
}
