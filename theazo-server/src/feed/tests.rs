//! Followers lose nothing, wait for nobody, and hold little.

use theazo_api::Timestamp;

use super::{queue, *};
use crate::{
    event::Event,
    store::{EventScope, Retention, World},
};

fn tenant() -> Tenant {
    Tenant::new("acct_1", World::Live)
}

fn feed(limits: StreamLimits) -> Feed {
    let (feed, guard) = Feed::start(Store::in_memory().expect("it opens"), limits);
    // It ends with the runtime of the test.
    guard.disarm();
    feed
}

/// Commits so many outputs, each with so many bytes of text.
async fn print(feed: &Feed, owner: &Tenant, count: usize, bytes: usize) {
    let owner = owner.clone();
    let text = "x".repeat(bytes);
    let printed = feed.shared.store.write(move |tx| {
        for _ in 0..count {
            let event = Event::Output { stream: "stdout".to_owned(), text: text.clone(), exec_id: None };
            tx.append(&owner, Timestamp::from_millis(0), &EventScope::default(), &event)?;
        }
        Ok::<_, StoreError>(())
    });
    printed.await.expect("it is stored");
    // A store in memory answers without a pause, and the feed wants its turn.
    tokio::task::yield_now().await;
}

fn follow(feed: &Feed, after: i64) -> Reader {
    let place = feed.take_place(&tenant()).expect("there is room");
    place.follow(EventFilter { after, ..EventFilter::default() }).expect("it opens")
}

/// Reads until so many events came.
async fn read(reader: &mut Reader, count: usize) -> Vec<i64> {
    let mut places = Vec::new();
    while places.len() < count {
        match reader.next().await.expect("it reads") {
            Next::Events(events) => places.extend(events.iter().map(|event| event.sequence)),
            Next::Dropped | Next::Closed => panic!("the reader is wanted"),
        }
    }
    places
}

#[tokio::test]
async fn a_reader_gets_every_event_once_whether_it_was_there_before_or_comes_while_it_reads() {
    let feed = feed(StreamLimits::default());
    let other = Tenant::new("acct_2", World::Live);
    print(&feed, &tenant(), 700, 10).await;
    let mut reader = follow(&feed, 0);

    let writing = async {
        for _ in 0..100 {
            print(&feed, &other, 1, 10).await;
            print(&feed, &tenant(), 7, 10).await;
            tokio::task::yield_now().await;
        }
    };
    let (places, ()) = tokio::join!(read(&mut reader, 1400), writing);

    let own: Vec<i64> = (1..=700).chain((0..100).flat_map(|round| (0..7).map(move |n| 702 + round * 8 + n))).collect();
    assert_eq!(places, own);
}

#[tokio::test]
async fn row_26_a_reader_that_does_not_read_holds_little_and_misses_nothing() {
    let feed = feed(StreamLimits::default());
    let (mut slow, mut fast) = (follow(&feed, 0), follow(&feed, 0));
    print(&feed, &tenant(), 1, 10).await;
    assert_eq!((read(&mut slow, 1).await, read(&mut fast, 1).await), (vec![1], vec![1]));
    // It has caught up now, so what comes is put into its queue.
    let queue = feed.shared.registry().queues[&tenant()][0].clone();
    let mut most = 0;

    for round in 0..100 {
        print(&feed, &tenant(), 10, 10_000).await;
        let first = 2 + round * 10;
        assert_eq!(read(&mut fast, 10).await, (first..first + 10).collect::<Vec<_>>(), "others wait for nobody");
        most = most.max(queue.bytes());
    }

    assert!(most > 100_000, "it was in use: {most}");
    assert!(most <= queue::MAX_BYTES, "{most}");
    assert_eq!(read(&mut slow, 1000).await, (2..=1001).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_for_long_is_dropped_and_one_that_reads_slowly_is_not() {
    let feed = feed(StreamLimits { patience: Duration::from_secs(60), ..StreamLimits::default() });
    let (mut asleep, mut slow) = (follow(&feed, 0), follow(&feed, 0));
    let mut seen = 0;

    for _ in 0..5 {
        print(&feed, &tenant(), 1, 10).await;
        tokio::time::sleep(Duration::from_secs(50)).await;
        seen += read(&mut slow, 1).await.len();
    }

    assert_eq!(seen, 5);
    assert!(matches!(asleep.next().await.expect("it reads"), Next::Dropped));
    drop(asleep);
    assert_eq!(read(&mut follow(&feed, 0), 5).await, [1, 2, 3, 4, 5], "it goes on where it was");
}

#[tokio::test]
async fn an_account_has_so_many_streams_at_a_time_and_a_closed_one_makes_room() {
    let feed = feed(StreamLimits { per_account: 2, ..StreamLimits::default() });
    let (one, _two) = (follow(&feed, 0), follow(&feed, 0));

    let refused = feed.take_place(&tenant()).err().expect("there is no room");
    feed.take_place(&Tenant::new("acct_1", World::Test)).expect("another world has room of its own");
    drop(one);

    assert_eq!(refused.detail.code, ErrorCode::RateLimited);
    assert_eq!(refused.detail.details["limit"], 2);
    follow(&feed, 0);
}

#[tokio::test]
async fn a_reader_learns_that_the_plane_stops() {
    let feed = feed(StreamLimits::default());
    let mut reader = follow(&feed, 0);

    let (next, ()) = tokio::join!(reader.next(), async { feed.shared.store.close() });

    assert!(matches!(next.expect("it is told"), Next::Closed));
}

#[tokio::test]
async fn old_details_go_and_what_they_were_about_stays() {
    let feed = feed(StreamLimits::default());
    let store = &feed.shared.store;
    print(&feed, &tenant(), 5, 10).await;
    print(&feed, &Tenant::new("acct_2", World::Live), 3, 10).await;
    print(&feed, &tenant(), 5, 10).await;
    let retention = Retention { events: Some(4), ..Retention::default() };

    let removed = store.write(move |tx| tx.prune_events(&tenant(), retention, Timestamp::from_millis(0))).await;

    assert_eq!(removed.expect("they are removed"), 6);
    let (kept, through, tenants) = store
        .read(|view| {
            let kept = view.events(&tenant(), &EventFilter::default())?;
            Ok::<_, StoreError>((kept, view.pruned_through(&tenant())?, view.tenants()?.len()))
        })
        .expect("it reads");
    assert_eq!(kept.iter().map(|event| event.sequence).collect::<Vec<_>>(), [10, 11, 12, 13]);
    assert_eq!((through, tenants), (9, 2));
}
