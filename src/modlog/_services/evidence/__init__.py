"""Evidence: keys and signatures, the sealer, proofs, bundles, and what checks them."""
