//! The table of operations as a whole.

use std::collections::BTreeSet;

use theazo_api::{Operation, Plane, operations, test_operations};

/// The routes of the published API, and those that later versions of it replaced.
fn published() -> (BTreeSet<String>, BTreeSet<String>) {
    let (present, older) = include_str!("published.txt").split_once("## Older").expect("the list has both parts");
    let routes = |part: &str| -> BTreeSet<String> {
        let lines: Vec<&str> = part.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let routes: BTreeSet<String> = lines.iter().map(|line| route(line)).collect();
        assert_eq!(routes.len(), lines.len(), "a route is listed twice");
        routes
    };
    (routes(present), routes(older))
}

/// A route without the names of its path parameters: `GET /v1/sessions/{}`.
fn route(line: &str) -> String {
    let segments = line.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

fn route_of(operation: &Operation) -> String {
    route(&format!("{} {}", operation.method.as_str(), operation.path))
}

#[test]
fn every_published_operation_is_in_the_table_and_every_other_one_is_ours() {
    let (published, _) = published();
    let table = operations();
    let marked = |ours: bool| -> BTreeSet<String> {
        table.iter().filter(|operation| operation.ours == ours).map(|operation| route_of(operation)).collect()
    };

    let (theirs, ours) = (marked(false), marked(true));

    let missing: Vec<_> = published.difference(&theirs).collect();
    let unmarked: Vec<_> = theirs.difference(&published).collect();
    assert!(missing.is_empty(), "published, but not in the table or marked as ours: {missing:#?}");
    assert!(unmarked.is_empty(), "not published, so they must be marked as ours: {unmarked:#?}");
    println!(
        "{} operations: {} published, {} ours; {} of the test plane",
        table.len(),
        theirs.len(),
        ours.len(),
        test_operations().len()
    );
    assert_eq!((theirs.len(), ours.len(), test_operations().len()), (189, 62, 11));
}

#[test]
fn routes_of_older_versions_mean_what_they_meant() {
    let (_, older) = published();

    let kept: BTreeSet<String> = operations()
        .iter()
        .flat_map(|operation| operation.older)
        .map(|(method, path)| route(&format!("{} {path}", method.as_str())))
        .collect();

    assert_eq!(kept, older);
}

#[test]
fn ids_routes_and_surfaces_are_unique() {
    let all: Vec<&Operation> = operations().into_iter().chain(test_operations()).collect();

    assert_eq!(all.iter().map(|operation| operation.id).collect::<BTreeSet<_>>().len(), all.len());
    assert_eq!(all.iter().map(|operation| operation.surface).collect::<BTreeSet<_>>().len(), all.len());
    let routes: BTreeSet<_> = all.iter().map(|operation| (operation.method.as_str(), operation.path)).collect();
    assert_eq!(routes.len(), all.len());
}

#[test]
fn the_test_plane_is_kept_apart_from_the_public_api() {
    assert!(operations().iter().all(|operation| operation.plane != Plane::Test));
    let outside: Vec<&str> =
        operations().iter().map(|operation| operation.path).filter(|path| !path.starts_with("/v1/")).collect();
    assert_eq!(outside, ["/triggers/{triggerId}", "/healthz"]);
    assert!(test_operations().iter().all(|operation| operation.plane == Plane::Test));
    assert!(test_operations().iter().all(|operation| operation.path.starts_with("/testing/")));
}

#[test]
fn whatever_ends_with_its_caller_says_how_it_is_ended() {
    for operation in operations() {
        let farewell = operations().into_iter().find(|other| other.id == operation.farewell);
        assert_eq!(operation.ends_with_caller, farewell.is_some(), "{}: `{}`", operation.id, operation.farewell);
        let Some(farewell) = farewell else { continue };
        let mut parameters: Vec<&str> = farewell.path_parameters().collect();
        parameters.pop().expect("its last parameter is what the stream's head gives");
        let own: Vec<&str> = operation.path_parameters().take(parameters.len()).collect();
        assert_eq!(parameters, own, "{}", operation.id);
    }
}
