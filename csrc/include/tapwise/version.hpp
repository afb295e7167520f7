// The one place that states the version; CMake and pyproject.toml read it from here.
#pragma once

#define TAPWISE_VERSION "0.1.0"
