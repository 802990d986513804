//! Lists that fetch their pages as they are read.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use theazo_api::Page;

use crate::error::Error;

type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>;

/// The pages of a list, each fetched when it is asked for. An error ends it.
///
/// ```no_run
/// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
/// let mut pages = theazo.sessions().list().limit(100).pages();
/// while let Some(page) = pages.next().await {
///     println!("{} sessions", page?.data.len());
/// }
/// # Ok(()) }
/// ```
pub struct Pages<T> {
    pages: BoxStream<Page<T>>,
}

/// The items of a list, page after page, each page fetched when it is needed. An error ends it.
///
/// ```no_run
/// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
/// let mut sessions = theazo.sessions().list().items();
/// while let Some(session) = sessions.next().await {
///     println!("{}", session?.id());
/// }
///
/// let newest_ten = theazo.sessions().list().items().collect(10).await?;
/// # Ok(()) }
/// ```
pub struct Items<T> {
    items: BoxStream<T>,
}

impl<T: Send + 'static> Pages<T> {
    /// Pages of `request`: `fetch` sends one, `turn` makes the request for the page at a cursor.
    pub(crate) fn new<R, F>(
        request: R,
        fetch: impl Fn(R) -> F + Send + 'static,
        turn: impl Fn(R, String) -> R + Send + 'static,
    ) -> Self
    where
        R: Clone + Send + 'static,
        F: Future<Output = Result<Page<T>, Error>> + Send + 'static,
    {
        let first = Some((request, String::new()));
        let pages = stream::try_unfold((first, fetch, turn), |(next, fetch, turn)| async move {
            let Some((request, cursor)) = next else { return Ok(None) };
            let page = fetch(request.clone()).await?;
            // A server that repeats a cursor would be read for ever.
            let goes_on = page.has_more && !page.cursor.is_empty() && page.cursor != cursor;
            let next = goes_on.then(|| (turn(request, page.cursor.clone()), page.cursor.clone()));
            Ok(Some((page, (next, fetch, turn))))
        });
        Self { pages: Box::pin(pages) }
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    ///
    /// When the page cannot be fetched.
    pub async fn next(&mut self) -> Option<Result<Page<T>, Error>> {
        self.pages.next().await
    }

    /// The items of the pages.
    ///
    /// ```no_run
    /// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
    /// // After the first page, all others item by item.
    /// let mut pages = theazo.sessions().list().pages();
    /// let first = pages.next().await.transpose()?;
    /// let mut others = pages.items();
    /// # Ok(()) }
    /// ```
    pub fn items(self) -> Items<T> {
        let items = self.pages.map_ok(|page| stream::iter(page.data.into_iter().map(Ok))).try_flatten();
        Items { items: Box::pin(items) }
    }
}

impl<T> Items<T> {
    /// The next item; `None` after the last.
    ///
    /// # Errors
    ///
    /// When a page cannot be fetched.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        self.items.next().await
    }

    /// The first items, `at_most` so many.
    ///
    /// # Errors
    ///
    /// When a page cannot be fetched.
    pub async fn collect(self, at_most: usize) -> Result<Vec<T>, Error> {
        self.items.take(at_most).try_collect().await
    }
}

impl<T> Stream for Pages<T> {
    type Item = Result<Page<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pages.as_mut().poll_next(context)
    }
}

impl<T> Stream for Items<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.as_mut().poll_next(context)
    }
}
