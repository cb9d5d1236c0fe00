mod fetch;
mod snapshot;
