//! Castline.
