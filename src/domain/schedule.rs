//! Who is due at a moment, where in its interval each probe has its place, and when to wake next.
