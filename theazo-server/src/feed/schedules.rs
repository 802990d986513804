//! The feed, its queues and its places, in every order in which those who use them can take turns.

use std::sync::Mutex;

use theazo_api::Timestamp;

use super::*;
use crate::{
    event::Event,
    schedules::{Actor, in_many_orders, turn},
    store::{EventScope, World},
};

/// In how many orders each play is acted.
const ORDERS: u64 = 1500;

/// How many events are written.
const EVENTS: usize = 3;

fn tenant() -> Tenant {
    Tenant::new("acct_1", World::Live)
}

fn new_feed(per_account: usize) -> Feed {
    let limits = StreamLimits { per_account, ..StreamLimits::default() };
    let store = Store::in_memory().expect("it opens");
    Feed { shared: Arc::new(Shared { store, limits, registry: Mutex::default() }) }
}

/// Writes events one after the other.
async fn write(store: Store) {
    for number in 0..EVENTS {
        let text = number.to_string();
        let written = store.write(move |tx| {
            let event = Event::Output { stream: "stdout".to_owned(), text, exec_id: None };
            tx.append(&tenant(), Timestamp::EPOCH, &EventScope::default(), &event)
        });
        written.await.expect("it is stored");
        turn().await;
    }
}

fn follow(feed: &Feed) -> Reader {
    feed.take_place(&tenant()).expect("there is room").follow(EventFilter::default()).expect("it opens")
}

/// Reads every event. Where it is impatient it gives up waiting now and then, and waits anew.
async fn read_all(feed: Feed, is_impatient: bool) {
    let mut reader = follow(&feed);
    let mut places = Vec::new();
    while places.len() < EVENTS {
        let next = if is_impatient {
            match futures_util::future::select(std::pin::pin!(reader.next()), std::pin::pin!(turn())).await {
                futures_util::future::Either::Left((next, _)) => next,
                futures_util::future::Either::Right(_) => continue,
            }
        } else {
            reader.next().await
        };
        match next.expect("it reads") {
            Next::Events(events) => places.extend(events.iter().map(|event| event.sequence)),
            Next::Dropped | Next::Closed => panic!("the reader is wanted"),
        }
    }
    assert_eq!(places, [1, 2, 3]);
}

#[test]
fn row_49_readers_that_come_and_go_at_any_moment_get_every_event_once() {
    in_many_orders(ORDERS, || {
        let feed = new_feed(10);
        let leaves = {
            let feed = feed.clone();
            async move {
                let reader = follow(&feed);
                turn().await;
                drop(reader);
            }
        };
        vec![
            Actor::servant(feed.clone().run()),
            Actor::new(write(feed.shared.store.clone())),
            Actor::new(read_all(feed.clone(), false)),
            Actor::new(leaves),
        ]
    });
}

#[test]
fn row_49_a_reader_that_gives_up_waiting_and_one_that_is_thrown_back_miss_nothing() {
    in_many_orders(ORDERS, || {
        let feed = new_feed(10);
        let throws_back = {
            let feed = feed.clone();
            async move {
                turn().await;
                feed.shared.registry().all_behind();
            }
        };
        // It is impatient as long as there is something to read, so that each schedule has an end.
        vec![
            Actor::servant(feed.clone().run()),
            Actor::new(write(feed.shared.store.clone())),
            Actor::new(read_all(feed.clone(), true)),
            Actor::new(throws_back),
        ]
    });
}

#[test]
fn row_49_whenever_the_store_is_closed_every_reader_ends() {
    in_many_orders(ORDERS, || {
        let feed = new_feed(10);
        let reads = |feed: Feed| async move {
            let Ok(place) = feed.take_place(&tenant()) else { return };
            let Ok(mut reader) = place.follow(EventFilter::default()) else { return };
            while let Ok(Next::Events(_)) = reader.next().await {}
        };
        let store = feed.shared.store.clone();
        let closes = async move {
            turn().await;
            store.close();
        };
        vec![
            Actor::new(feed.clone().run()),
            Actor::new(reads(feed.clone())),
            Actor::new(reads(feed)),
            Actor::new(closes),
        ]
    });
}

#[test]
fn row_49_a_place_is_given_to_one_at_a_time_and_given_back() {
    in_many_orders(ORDERS, || {
        let feed = new_feed(1);
        let takes = |feed: Feed| async move {
            loop {
                if let Ok(place) = feed.take_place(&tenant()) {
                    assert_eq!(feed.shared.registry().places[&tenant()], 1);
                    turn().await;
                    drop(place);
                    return;
                }
                turn().await;
            }
        };
        let (one, other) = (takes(feed.clone()), takes(feed.clone()));
        let ends = async move {
            one.await;
            assert!(feed.shared.registry().places.len() <= 1);
        };
        vec![Actor::new(ends), Actor::new(other)]
    });
}
