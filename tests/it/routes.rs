//! Who is told besides mailboxes, and how: webhooks in the forms that others read, Alertmanagers, a second mail server.

mod alertmanager;
mod daemon;
mod fallback;
mod kept;
mod several;
mod webhook;
