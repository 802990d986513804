//! The table of operations as a whole.

use std::collections::BTreeSet;

use theazo_api::{Operation, Plane, operations, test_operations};

#[test]
fn no_operation_appears_or_goes_unnoticed() {
    assert_eq!((operations().len(), test_operations().len()), (41, 7));
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
