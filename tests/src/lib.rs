//! The differential ladder over all engines.
