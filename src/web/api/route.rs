//! One route: how it is asked, by whom, what it takes, what it answers and refuses, and who answers. The description is made
//! from the very types that are read and written.

use axum::{
    handler::Handler,
    routing::{MethodRouter, get, post},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::shapes::Refusal;
use crate::{domain::access::Scope, web::Context};

/// Describes a type.
pub(super) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// One route.
pub(super) struct Route {
    /// How it is asked.
    pub(super) method: &'static str,
    /// Where it lies below `/api/v1`.
    pub(super) path: &'static str,
    /// Its name, for programs that are made from the description.
    pub(super) operation: &'static str,
    /// What it is for, in a line.
    pub(super) summary: &'static str,
    /// What whoever asks must be allowed to do.
    pub(super) scope: Scope,
    /// What it takes behind the `?`: an object with a member for each parameter.
    pub(super) query: Option<Describe>,
    /// What it takes as a body.
    pub(super) body: Option<Describe>,
    /// Each status with what it means and what is answered.
    pub(super) answers: Vec<(u16, &'static str, Describe)>,
    /// Who answers.
    pub(super) handler: MethodRouter<Context>,
}

fn subschema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Route {
    /// Something to be read.
    pub(super) fn get<H: Handler<T, Context>, T: 'static>(
        path: &'static str,
        operation: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self {
        Self::new("GET", path, (operation, summary), Scope::Read, get(handler))
    }

    /// Something to be done.
    pub(super) fn post<H: Handler<T, Context>, T: 'static>(
        path: &'static str,
        operation: &'static str,
        summary: &'static str,
        scope: Scope,
        handler: H,
    ) -> Self {
        Self::new("POST", path, (operation, summary), scope, post(handler))
    }

    fn new(
        method: &'static str,
        path: &'static str,
        (operation, summary): (&'static str, &'static str),
        scope: Scope,
        handler: MethodRouter<Context>,
    ) -> Self {
        let route = Self {
            method,
            path,
            operation,
            summary,
            scope,
            query: None,
            body: None,
            answers: Vec::new(),
            handler,
        };
        route
            .refuses(401, "A token is needed, and there is none, or one that is not known.")
            .refuses(403, "The token may not do this, or none is configured that may.")
            .refuses(429, "Too many requests; the header `Retry-After` says how many seconds to wait.")
    }

    /// What it takes behind the `?`.
    pub(super) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(T::json_schema);
        self.refuses(400, "The query makes no sense.")
    }

    /// What it takes as a body.
    pub(super) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(subschema::<T>);
        self.refuses(400, "The request makes no sense.")
            .refuses(408, "The request took too long to arrive.")
            .refuses(413, "The request is longer than 16 KiB.")
    }

    /// What it answers with a status.
    pub(super) fn answers<T: JsonSchema>(mut self, status: u16, meaning: &'static str) -> Self {
        self.answers.push((status, meaning, subschema::<T>));
        self
    }

    /// With which status it refuses, and when.
    pub(super) fn refuses(mut self, status: u16, meaning: &'static str) -> Self {
        self.answers.push((status, meaning, subschema::<Refusal>));
        self
    }

    /// Whether a path below `/api/v1` is one of its own.
    pub(super) fn is_at(&self, path: &str) -> bool {
        let (mut own, mut asked) = (self.path.split('/'), path.split('/'));
        loop {
            match (own.next(), asked.next()) {
                (None, None) => return true,
                (Some(own), Some(asked)) if own == asked || own.starts_with('{') => {}
                _ => return false,
            }
        }
    }
}
