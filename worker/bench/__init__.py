"""The sides of benchmarks that hold a model: each a process of its own, told what to do by pipe."""
