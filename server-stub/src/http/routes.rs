//! A router that knows its paths, so that a test can hold them against the documented ones: no path is served that the OpenAPI
//! documents do not name, and none is named that is not served.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;

use super::App;

/// What an address serves.
#[derive(Default)]
pub(super) struct Routes {
    router: Router<Arc<App>>,
    paths: Vec<&'static str>,
}

impl Routes {
    pub(super) fn new() -> Routes {
        Routes::default()
    }

    /// Serves a path; `{name}` is a segment. It belongs into `openapi/*.json` too.
    pub(super) fn route(mut self, path: &'static str, methods: MethodRouter<Arc<App>>) -> Routes {
        self.paths.push(path);
        Routes { router: self.router.route(path, methods), paths: self.paths }
    }

    /// Serves what the other serves as well.
    pub(super) fn merge(mut self, other: Routes) -> Routes {
        self.paths.extend(other.paths);
        Routes { router: self.router.merge(other.router), paths: self.paths }
    }

    /// Puts something around all routes so far.
    pub(super) fn within(self, wrap: impl FnOnce(Router<Arc<App>>) -> Router<Arc<App>>) -> Routes {
        Routes { router: wrap(self.router), paths: self.paths }
    }

    pub(super) fn into_router(self) -> Router<Arc<App>> {
        self.router
    }

    #[cfg(test)]
    pub(super) fn paths(&self) -> &[&'static str] {
        &self.paths
    }
}
