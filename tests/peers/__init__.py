# SPDX-License-Identifier: Apache-2.0
"""Real peers for the tests: how they are installed, started, watched and stopped. See README.md."""
