//! The doors of the support centre, and what can be wrong with each.

use serde::{Deserialize, Serialize};

/// A door, by the id of the channel that watches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// The chat button in the shop.
    WebChat,
    /// The hotline that calls back.
    Hotline,
    /// The ticket form.
    TicketForm,
}

/// What is wrong with a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The chat button is grey.
    Grey,
    /// A banner lies over it.
    Cover,
    /// It is moved behind other doors.
    Far,
    /// The bot says the same again and again.
    Loop,
    /// New accounts are refused.
    Refuse,
    /// It takes the request and never answers.
    Hang,
    /// It answers with an internal server error.
    #[serde(rename = "500")]
    Error,
    /// It thanks for the ticket and loses it.
    Drop,
    /// Every line is taken.
    Busy,
    /// The caller stays in the queue for ever.
    Queue,
    /// It answers, slowly.
    Slow,
}

impl Door {
    /// Every door.
    pub const ALL: [Self; 3] = [Self::WebChat, Self::Hotline, Self::TicketForm];

    /// The id of the channel that watches it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebChat => "web-chat",
            Self::Hotline => "hotline",
            Self::TicketForm => "ticket-form",
        }
    }

    /// What can be wrong with it.
    #[must_use]
    pub fn faults(self) -> &'static [Fault] {
        match self {
            Self::WebChat => &[
                Fault::Grey,
                Fault::Cover,
                Fault::Far,
                Fault::Refuse,
                Fault::Queue,
                Fault::Loop,
                Fault::Hang,
                Fault::Error,
                Fault::Slow,
            ],
            Self::Hotline => &[Fault::Busy, Fault::Queue, Fault::Hang, Fault::Error, Fault::Slow],
            Self::TicketForm => &[Fault::Drop, Fault::Hang, Fault::Error, Fault::Slow],
        }
    }
}

impl Fault {
    /// The word for scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Cover => "cover",
            Self::Far => "far",
            Self::Loop => "loop",
            Self::Refuse => "refuse",
            Self::Hang => "hang",
            Self::Error => "500",
            Self::Drop => "drop",
            Self::Busy => "busy",
            Self::Queue => "queue",
            Self::Slow => "slow",
        }
    }

    /// What the switch says.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Grey => "Grey the button",
            Self::Cover => "Cover it with a banner",
            Self::Far => "Move it five steps deep",
            Self::Loop => "Bot in a circle",
            Self::Refuse => "Refuse new accounts",
            Self::Hang => "Hang",
            Self::Error => "Answer 500",
            Self::Drop => "Drop tickets silently",
            Self::Busy => "All lines busy",
            Self::Queue => "Queue for ever",
            Self::Slow => "Slow",
        }
    }
}

/// What is wrong with each door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches([Option<Fault>; Door::ALL.len()]);

impl Switches {
    /// What is wrong with `door`.
    #[must_use]
    pub fn get(&self, door: Door) -> Option<Fault> {
        self.0[door as usize]
    }

    /// Sets what is wrong with `door`.
    pub fn set(&mut self, door: Door, fault: Option<Fault>) {
        self.0[door as usize] = fault;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_scripts_are_the_words_read() {
        for door in Door::ALL {
            assert_eq!(serde_json::to_value(door).unwrap(), door.as_str());
            for fault in door.faults() {
                assert_eq!(serde_json::to_value(fault).unwrap(), fault.as_str());
            }
        }
    }
}
