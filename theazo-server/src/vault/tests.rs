//! What the vault holds against: rows that were changed or moved, keys that are gone, rotation while it is read.

use std::{path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use theazo_api::{Secret, Timestamp};

use super::*;
use crate::store::World;

const NOW: Timestamp = Timestamp::EPOCH;

fn tenant(account: &str) -> Tenant {
    Tenant::new(account, World::Live)
}

fn label(name: &str, version: i64) -> Label<'_> {
    Label { kind: "secret", owner: "ses_1", name, version }
}

async fn seal(store: &Store, vault: &Arc<Vault>, account: &'static str, name: &'static str) -> Sealed {
    let vault = vault.clone();
    let sealed =
        store.write(move |tx| vault.seal(tx, &tenant(account), &label(name, 1), &Secret::from("hunter2"), NOW));
    sealed.await.unwrap()
}

fn unseal(
    store: &Store,
    vault: &Vault,
    account: &str,
    label: &Label<'_>,
    sealed: &Sealed,
) -> Result<String, VaultError> {
    store.read(|view| vault.unseal(view, &tenant(account), label, sealed)).map(|secret| secret.expose().to_owned())
}

async fn open(directory: &Path) -> (Store, Result<Arc<Vault>, VaultError>) {
    let store = Store::open(directory).unwrap();
    let vault = Vault::open(&store, MasterKeySource::in_directory(directory)).await.map(Arc::new);
    (store, vault)
}

#[tokio::test]
async fn row_38_a_row_that_is_moved_to_another_place_does_not_open() {
    let store = Store::in_memory().unwrap();
    let vault = Arc::new(Vault::open(&store, MasterKeySource::Ephemeral).await.unwrap());
    let (ours, theirs) = (seal(&store, &vault, "acct_1", "key").await, seal(&store, &vault, "acct_2", "key").await);

    let open = |account, label, sealed| unseal(&store, &vault, account, &label, sealed);
    assert_eq!(open("acct_1", label("key", 1), &ours).unwrap(), "hunter2");
    for (account, label, sealed) in [
        ("acct_2", label("key", 1), &ours),
        ("acct_1", label("key", 1), &theirs),
        ("acct_1", label("other", 1), &ours),
        ("acct_1", label("key", 2), &ours),
        ("acct_1", Label { owner: "ses_2", ..label("key", 1) }, &ours),
        ("acct_1", Label { kind: "providers", ..label("key", 1) }, &ours),
    ] {
        let refused = open(account, label, sealed);
        assert!(matches!(refused, Err(VaultError::Broken(_))), "{account} {label:?}: {refused:?}");
    }
    let forged = Sealed { data_key_id: theirs.data_key_id.clone(), ..ours.clone() };
    assert!(matches!(open("acct_2", label("key", 1), &forged), Err(VaultError::Broken(_))));
}

#[tokio::test]
async fn row_38_a_data_key_that_was_made_in_a_change_that_failed_seals_nothing() {
    let store = Store::in_memory().unwrap();
    let vault = Arc::new(Vault::open(&store, MasterKeySource::Ephemeral).await.unwrap());
    let failing = vault.clone();

    let failed: Result<(), VaultError> = store
        .write(move |tx| {
            failing.seal(tx, &tenant("acct_1"), &label("key", 1), &Secret::from("hunter2"), NOW)?;
            Err(VaultError::NothingToRotate)
        })
        .await;
    let sealed = seal(&store, &vault, "acct_1", "key").await;

    assert!(failed.is_err());
    assert_eq!(unseal(&store, &vault, "acct_1", &label("key", 1), &sealed).unwrap(), "hunter2");
}

#[tokio::test]
async fn row_38_a_backup_opens_with_its_own_master_key_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let backup = tempfile::tempdir().unwrap();
    let (store, vault) = open(directory.path()).await;
    let sealed = seal(&store, &vault.unwrap(), "acct_1", "key").await;
    store.close();
    for file in ["theazo.db", "master.key"] {
        std::fs::copy(directory.path().join(file), backup.path().join(file)).unwrap();
    }
    let source = MasterKeySource::in_directory(directory.path());
    let beside = Store::open_beside(directory.path()).unwrap();
    assert_eq!(rotate_master_key(&beside, &source).await.unwrap(), 1);
    beside.close();

    let (restored, vault) = open(backup.path()).await;
    assert_eq!(unseal(&restored, &vault.unwrap(), "acct_1", &label("key", 1), &sealed).unwrap(), "hunter2");
    restored.close();
    std::fs::copy(directory.path().join("master.key"), backup.path().join("master.key")).unwrap();
    let (_store, mixed) = open(backup.path()).await;
    assert!(matches!(mixed, Err(VaultError::MissingKey(_))), "the new key does not open what the old one sealed");
    let (store, vault) = open(directory.path()).await;
    assert_eq!(unseal(&store, &vault.unwrap(), "acct_1", &label("key", 1), &sealed).unwrap(), "hunter2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_38_reads_and_new_accounts_go_on_while_the_master_key_is_rotated() {
    let directory = tempfile::tempdir().unwrap();
    let (store, vault) = open(directory.path()).await;
    let vault = vault.unwrap();
    let sealed = seal(&store, &vault, "acct_1", "key").await;
    let rotations = tokio::spawn({
        let path = directory.path().to_owned();
        async move {
            for _ in 0..20 {
                let beside = Store::open_beside(&path).unwrap();
                rotate_master_key(&beside, &MasterKeySource::in_directory(&path)).await.unwrap();
                beside.close();
            }
        }
    });

    let mut others = Vec::new();
    while !rotations.is_finished() {
        // A vault that has unwrapped nothing yet, as after a start.
        let fresh = Vault::open(&store, MasterKeySource::in_directory(directory.path())).await.unwrap();
        assert_eq!(unseal(&store, &fresh, "acct_1", &label("key", 1), &sealed).unwrap(), "hunter2");
        let account: &'static str = format!("acct_new_{}", others.len()).leak();
        others.push((account, seal(&store, &vault, account, "key").await));
    }
    rotations.await.unwrap();

    store.close();
    let (store, vault) = open(directory.path()).await;
    let vault = vault.unwrap();
    assert!(!others.is_empty());
    for (account, sealed) in others.iter().chain([&("acct_1", sealed)]) {
        assert_eq!(unseal(&store, &vault, account, &label("key", 1), sealed).unwrap(), "hunter2", "{account}");
    }
}

#[tokio::test]
async fn row_38_keys_of_the_configuration_are_rotated_by_putting_the_new_one_first() {
    let store = Store::in_memory().unwrap();
    let [old, new] = ["o", "n"].map(|letter| STANDARD.encode(letter.repeat(32)));
    let given = |text: &str| MasterKeySource::Given(Secret::from(text));
    let vault = Arc::new(Vault::open(&store, given(&old)).await.unwrap());
    let sealed = seal(&store, &vault, "acct_1", "key").await;

    let both = given(&format!("{new},{old}"));
    assert!(matches!(Vault::open(&store, given(&new)).await, Err(VaultError::MissingKey(_))));
    assert!(matches!(rotate_master_key(&store, &given(&old)).await, Err(VaultError::NothingToRotate)));
    assert_eq!(rotate_master_key(&store, &both).await.unwrap(), 1);

    let vault = Vault::open(&store, given(&new)).await.unwrap();
    assert_eq!(unseal(&store, &vault, "acct_1", &label("key", 1), &sealed).unwrap(), "hunter2");
    assert!(matches!(Vault::open(&store, given(&old)).await, Err(VaultError::MissingKey(_))));
}

#[tokio::test]
async fn a_key_file_that_others_may_read_or_that_holds_no_key_is_refused_with_the_reason() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    let (store, vault) = open(directory.path()).await;
    vault.unwrap();
    let refusal = async || {
        let source = MasterKeySource::in_directory(directory.path());
        Vault::open(&store, source).await.err().expect("it is refused").to_string()
    };

    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(refusal().await.ends_with("others than its owner may read it (mode 640); `chmod 600` it"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "bm90IGEga2V5\n").unwrap();
    assert!(refusal().await.ends_with("it should hold a key, but it has 9 bytes, not 32"));
    std::fs::remove_file(&path).unwrap();
    assert!(refusal().await.ends_with("is missing; restore it from a backup"));
}
