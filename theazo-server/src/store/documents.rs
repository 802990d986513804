//! Documents as the one who writes last saw them, so that a run's own are not parsed anew at each of its steps.
//!
//! Whoever has this has every change of the store; what comes from elsewhere is noticed ([`Documents::look_around`]). It holds
//! what is absent, too: most accounts have set few of the budgets that each charge asks for.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::Arc,
};

use rusqlite::Connection;

use super::{Document, Tenant};

/// How many bytes of documents are kept that were not asked for again since as many others were.
const ROOM: usize = 4 << 20;

/// What a document takes beside its text.
const OVERHEAD: usize = 256;

/// A document that takes more than this is not kept: it would push out too many others.
const LARGEST: usize = ROOM / 64;

#[derive(Default)]
pub(super) struct Documents {
    /// Those that were asked for lately, and those before them. When there is no room left, the older half is forgotten.
    recent: RefCell<HashMap<String, Known>>,
    older: RefCell<HashMap<String, Known>>,
    /// How many bytes the recent ones take.
    size: Cell<usize>,
    /// The ids of those that the change under way has written.
    touched: RefCell<Vec<String>>,
    /// What tells whether another process has written.
    version: Cell<i64>,
}

/// What is known of an id.
#[derive(Clone)]
struct Known {
    size: usize,
    /// Nothing if there is no such document.
    document: Option<(Tenant, Arc<dyn Any + Send + Sync>)>,
}

impl Documents {
    /// What is known of a document: nothing, or whether it is there, and what it is.
    pub fn get<D: Document>(&self, tenant: &Tenant, id: &str) -> Option<Option<D>> {
        let recent = self.recent.borrow().get(id).cloned();
        let known = match recent {
            Some(known) => known,
            None => {
                let known = self.older.borrow_mut().remove(id)?;
                self.put(id, known.clone());
                known
            }
        };
        let Some((owner, document)) = known.document else { return Some(None) };
        Some((owner == *tenant).then(|| document.downcast_ref::<D>().cloned()).flatten())
    }

    /// Keeps a document, or that there is none with this id. `size` is that of its text.
    pub fn keep<D: Document>(&self, id: &str, document: Option<(&Tenant, &D)>, size: usize) {
        let size = id.len() + size + OVERHEAD;
        if size > LARGEST {
            self.forget(id);
            return;
        }
        let document = document.map(|(tenant, document)| (tenant.clone(), Arc::new(document.clone()) as _));
        self.older.borrow_mut().remove(id);
        self.put(id, Known { size, document });
    }

    /// Keeps what the change under way has written, unless that is undone.
    pub fn write<D: Document>(&self, id: &str, document: Option<(&Tenant, &D)>, size: usize) {
        self.touched.borrow_mut().push(id.to_owned());
        self.keep(id, document, size);
    }

    /// Ends a change: unless it is kept, what it wrote is not known any more.
    pub fn end_change(&self, is_kept: bool) {
        let touched = std::mem::take(&mut *self.touched.borrow_mut());
        if !is_kept {
            touched.iter().for_each(|id| self.forget(id));
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.recent.borrow_mut().clear();
        self.older.borrow_mut().clear();
        self.size.set(0);
    }

    /// Forgets everything if another process has written since the last time.
    pub fn look_around(&self, connection: &Connection) -> rusqlite::Result<()> {
        let version = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.version.replace(version) != version {
            self.clear();
        }
        Ok(())
    }

    fn forget(&self, id: &str) {
        if let Some(known) = self.recent.borrow_mut().remove(id) {
            self.size.set(self.size.get() - known.size);
        }
        self.older.borrow_mut().remove(id);
    }

    fn put(&self, id: &str, known: Known) {
        let mut recent = self.recent.borrow_mut();
        let size = self.size.get() + known.size;
        let before = recent.insert(id.to_owned(), known).map_or(0, |known| known.size);
        self.size.set(size - before);
        if self.size.get() > ROOM / 2 {
            self.size.set(0);
            self.older.replace(std::mem::take(&mut *recent));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::store::{Store, StoreError, World};

    #[derive(Clone, Serialize, Deserialize)]
    struct Note {
        id: String,
        text: String,
    }

    impl Document for Note {
        const KIND: &'static str = "note";

        fn id(&self) -> &str {
            &self.id
        }
    }

    fn note(id: &str, text: &str) -> Note {
        Note { id: id.to_owned(), text: text.to_owned() }
    }

    fn tenant(account_id: &str) -> Tenant {
        Tenant::new(account_id, World::Live)
    }

    /// Puts a note, in the place of another if there is one, and then fails if it should.
    async fn put(store: &Store, of: &str, note: Note, fails: bool) -> Result<(), StoreError> {
        let tenant = tenant(of);
        let put = store.write(move |tx| {
            match tx.find::<Note>(&tenant, &note.id)? {
                Some(_) => tx.update(&tenant, &note)?,
                None => tx.insert(&tenant, &note)?,
            }
            assert_eq!(tx.find::<Note>(&tenant, &note.id)?.map(|note| note.text), Some(note.text));
            if fails { Err(StoreError::Closed) } else { Ok(()) }
        });
        put.await
    }

    /// The text of a note, as the one who writes sees it and as others do.
    async fn seen(store: &Store, of: &str, id: &'static str) -> [Option<String>; 2] {
        let tenant = tenant(of);
        let read = store.read(|view| view.find::<Note>(&tenant, id)).expect("it is read");
        let written = store.write(move |tx| tx.find::<Note>(&tenant, id)).await.expect("it is read");
        [written, read].map(|note| note.map(|note| note.text))
    }

    async fn each_sees_what_was_kept(store: &Store) {
        let both = |text: &str| [Some(text.to_owned()), Some(text.to_owned())];
        assert_eq!(seen(store, "acct_1", "one").await, [None, None]);
        assert!(put(store, "acct_1", note("one", "never"), true).await.is_err());
        assert_eq!(seen(store, "acct_1", "one").await, [None, None]);
        put(store, "acct_1", note("one", "first"), false).await.expect("it is kept");
        assert!(put(store, "acct_1", note("one", "never"), true).await.is_err());
        assert_eq!(seen(store, "acct_1", "one").await, both("first"));
        put(store, "acct_1", note("one", "second"), false).await.expect("it is kept");
        assert_eq!(seen(store, "acct_1", "one").await, both("second"));
        assert_eq!(seen(store, "acct_2", "one").await, [None, None]);
        assert_eq!(seen(store, "acct_1", "one").await, both("second"));

        let owner = tenant("acct_1");
        let removed = store.write(move |tx| {
            assert!(!tx.remove::<Note>(&tenant("acct_2"), "one")?);
            tx.remove::<Note>(&owner, "one")
        });
        assert!(removed.await.expect("it is removed"));
        assert_eq!(seen(store, "acct_1", "one").await, [None, None]);
    }

    #[tokio::test]
    async fn in_memory_each_sees_what_was_kept_and_nothing_that_was_undone() {
        each_sees_what_was_kept(&Store::in_memory().expect("it opens")).await;
    }

    #[tokio::test]
    async fn on_a_disk_each_sees_what_was_kept_and_nothing_that_was_undone() {
        let directory = tempfile::tempdir().expect("a folder is made");
        each_sees_what_was_kept(&Store::open(directory.path()).expect("it opens")).await;
    }

    #[tokio::test]
    async fn what_another_process_wrote_is_seen_by_the_next_change() {
        let directory = tempfile::tempdir().expect("a folder is made");
        let store = Store::open(directory.path()).expect("it opens");
        put(&store, "acct_1", note("one", "ours"), false).await.expect("it is kept");
        assert_eq!(seen(&store, "acct_1", "two").await, [None, None]);

        let beside = Store::open_beside(directory.path()).expect("it opens");
        put(&beside, "acct_1", note("one", "theirs"), false).await.expect("it is kept");
        put(&beside, "acct_1", note("two", "new"), false).await.expect("it is kept");

        assert_eq!(seen(&store, "acct_1", "one").await, [Some("theirs".to_owned()), Some("theirs".to_owned())]);
        assert_eq!(seen(&store, "acct_1", "two").await, [Some("new".to_owned()), Some("new".to_owned())]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_asked_for_stays() {
        let (documents, owner) = (Documents::default(), tenant("acct_1"));
        let text = "x".repeat(10_000);
        documents.keep("first", Some((&owner, &note("first", &text))), text.len());
        for index in 0..1_000 {
            let id = format!("note_{index}");
            documents.keep(&id, Some((&owner, &note(&id, &text))), text.len());
            assert!(documents.get::<Note>(&owner, "first").is_some(), "after {index} others");
        }
        documents.keep("large", Some((&owner, &note("large", ""))), LARGEST);

        let known =
            (0..1_000).filter(|index| documents.get::<Note>(&owner, &format!("note_{index}")).is_some()).count();
        assert!((ROOM / 4 / text.len()..=ROOM / text.len()).contains(&known), "{known} are known");
        assert!(documents.get::<Note>(&owner, "large").is_none());
    }
}
