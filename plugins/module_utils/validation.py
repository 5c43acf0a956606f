# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's validation of options within options that no argument spec can hold."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator


def validate(_kind: str, spec: t.Mapping[str, t.Any], given: dict[str, t.Any]) -> tuple[dict[str, t.Any], list[str]]:
    """See `survey_options.Validate`."""
    validated = ArgumentSpecValidator(spec).validate(given)
    return validated.validated_parameters, validated.error_messages
