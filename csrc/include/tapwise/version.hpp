// The one place that states the version; CMake and pyproject.toml read it from here.
#pragma once

#define TAPWISE_VERSION "0.1.0"

/// Counts the versions whose compiled library and headers do not fit those before. Semantic versioning counts the API.
#define TAPWISE_ABI 1
