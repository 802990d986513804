//! The table of operations as a whole.

use std::collections::BTreeSet;

use theazo_api::{Operation, Plane, operations, test_operations};

#[test]
fn no_operation_appears_or_goes_unnoticed() {
    assert_eq!((operations().len(), test_operations().len()), (250, 7));
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
