"""What a session may have left on its backend, judged by the texts it sent: the gateway's own, cautious view. Pure.

A text that can only read and calls nothing but functions known to keep no state leaves nothing. Everything else counts
as state until DISCARD ALL. The backend is asked too before anything is given away (`parking`); what only this view
knows of are values of sequences, the seed of random(), the process id, and texts that hide a call in a view.
"""

from __future__ import annotations

import re

from catalog.name_pattern import shape
from omnisql_server.model.remembered import Remembered
from wire.framing import HEADER_BYTES
from wire.frontend import Close

CLOSE_UNNAMED = Close(kind="S", name=b"").encode()
UNNAMED_BYTES_MAX = 16_384
"""Longest Parse of the unnamed statement that is kept to be sent again."""

_STATEFUL_WORDS = frozenset(
    b"set reset set_config listen unlisten load prepare execute declare temp temporary pg_temp insert update delete "
    b"merge copy create alter drop import do call into truncate refresh fetch move nextval setval currval lastval "
    b"setseed pg_backend_pid pg_export_snapshot dblink".split()
)

_STATELESS_CALLS = frozenset(
    # Words that stand before a parenthesis without being functions, and types with modifiers.
    b"all and any array as between bit by case cast char character coalesce cube current_time current_timestamp "
    b"decimal distinct else except exists explain extract filter float from greatest group grouping having ilike in "
    b"intersect interval join lateral least like limit localtime localtimestamp not nullif numeric offset on only or "
    b"over overlay partition position rollup row select sets some substring then time timestamp trim union using "
    b"values varbit varchar when where "
    # Functions of pg_catalog that only compute.
    b"abs age array_agg array_append array_cat array_length array_lower array_position array_prepend array_remove "
    b"array_replace array_to_string array_upper ascii avg bit_length bool_and bool_or btrim cardinality cbrt ceil "
    b"ceiling char_length character_length chr clock_timestamp concat concat_ws corr count covar_pop covar_samp "
    b"cume_dist date date_bin date_part date_trunc decode degrees dense_rank div encode every exp first_value floor "
    b"format gcd generate_series generate_subscripts initcap isfinite json_agg json_array_elements "
    b"json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text "
    b"json_extract_path json_extract_path_text json_object_agg json_typeof jsonb_agg jsonb_array_elements "
    b"jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text "
    b"jsonb_object_agg jsonb_pretty jsonb_set jsonb_typeof justify_days justify_hours justify_interval lag last_value "
    b"lcm lead left length ln log lower lpad ltrim make_date make_interval make_time make_timestamp max md5 min mod "
    b"mode now nth_value ntile octet_length percent_rank percentile_cont percentile_disc pi power quote_ident "
    b"quote_literal quote_nullable radians rank regexp_count regexp_match regexp_matches regexp_replace "
    b"regexp_split_to_array regexp_split_to_table repeat replace reverse right round row_number row_to_json rpad rtrim "
    b"sha256 sha512 sign split_part sqrt starts_with stddev stddev_pop stddev_samp string_agg string_to_array strpos "
    b"substr sum to_char to_date to_json to_jsonb to_number to_timestamp translate trunc unnest upper var_pop var_samp "
    b"variance width_bucket "
    # Functions that tell about the catalog and the server.
    b"array_to_json col_description current_catalog current_database current_role current_schema current_schemas "
    b"current_setting current_user format_type has_any_column_privilege has_column_privilege has_database_privilege "
    b"has_function_privilege has_schema_privilege has_sequence_privilege has_table_privilege obj_description "
    b"oidvectortypes pg_column_size pg_database_size pg_encoding_to_char pg_function_is_visible pg_get_constraintdef "
    b"pg_get_expr pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result "
    b"pg_get_functiondef pg_get_indexdef pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence pg_get_triggerdef "
    b"pg_get_userbyid pg_get_viewdef pg_has_role pg_is_in_recovery pg_postmaster_start_time pg_relation_size "
    b"pg_size_pretty pg_sleep pg_table_is_visible pg_table_size pg_tablespace_location pg_total_relation_size "
    b"pg_type_is_visible pg_typeof quote_ident session_user shobj_description to_regclass to_regtype version".split()
) | {b""}


def _alphabet(kept: bytes, other: int) -> bytes:
    """Make a table that lowers letters, keeps what names and `kept` consist of, and turns all else into `other`."""
    names = b"abcdefghijklmnopqrstuvwxyz0123456789_$" + bytes(range(128, 256)) + kept
    return bytes(code if code in names else other for code in bytes(range(256)).lower())


_WORDS = _alphabet(b"", ord(" "))
# White space stays what it is and everything else but quotes and dots becomes a comma, so that the last word before a
# parenthesis is a function's name exactly when only white space lies between them.
_SPACES = b" \t\n\r\f\v"
_CALLS = bytes(ord(" ") if code in _SPACES else mapped for code, mapped in enumerate(_alphabet(b'(".', other=ord(","))))
_stateless = Remembered()
_LINE_COMMENT = re.compile(rb"--[^\n\r]*")


def leaves_state(text: bytes) -> bool:
    """Say whether a text may leave anything on the backend that a later statement of the session could tell."""
    # The names of some functions differ in digits alone.
    key = text if b"(" in text else shape(text)
    if key in _stateless:
        return False
    if not _STATEFUL_WORDS.isdisjoint(text.translate(_WORDS).split()) or (b"(" in text and _calls_unknown(text)):
        return True
    _stateless.add(key)
    return False


def _calls_unknown(text: bytes) -> bool:
    """Say whether a name stands before a parenthesis that is not known; a quoted one or a comment there is not."""
    if b"*/" in text:
        text = text.replace(b"*/", b'"')
    if b"--" in text:
        text = _LINE_COMMENT.sub(rb'\g<0>"', text)
    for piece in text.translate(_CALLS).split(b"(")[:-1]:
        before = piece.rstrip(b" ")
        start = max(before.rfind(b" "), before.rfind(b",")) + 1
        name = before[start:].removeprefix(b"pg_catalog.")
        if name not in _STATELESS_CALLS or before[:start].rstrip(b" ").endswith(b"."):
            return True
    return False


class Footprint:
    """What a session has left so far; `unnamed` is its last Parse of the unnamed statement, to be sent again.

    Once `stateful` it is not looked at any more.
    """

    __slots__ = ("stateful", "unnamed")

    def __init__(self) -> None:
        self.stateful = False
        self.unnamed: bytes | None = None

    @property
    def holds(self) -> bool:
        """Say whether the session holds what another backend would not have."""
        return self.stateful or (self.unnamed is not None and len(self.unnamed) > UNNAMED_BYTES_MAX)

    @property
    def unnamed_text(self) -> bytes | None:
        """Return the text of the last Parse of the unnamed statement, None if there is none or it was too long."""
        if self.unnamed is None or len(self.unnamed) > UNNAMED_BYTES_MAX:
            return None
        # The message is its kind, its length, an empty name, then the text.
        return self.unnamed[HEADER_BYTES + 1 : self.unnamed.index(b"\0", HEADER_BYTES + 1)]

    def query(self, text: bytes) -> None:
        """Note a simple query, which also ends the unnamed statement."""
        self.unnamed = None
        if not self.stateful and leaves_state(text):
            self.stateful = True

    def parse(self, message: bytes, name: bytes, text: bytes) -> None:
        """Note a Parse message, given whole and in its parts."""
        if not name:
            # More than can be sent again is not worth keeping: that there is something too long is.
            self.unnamed = message if len(message) <= UNNAMED_BYTES_MAX else bytes(UNNAMED_BYTES_MAX + 1)
        if not self.stateful and (name or leaves_state(text)):
            self.stateful = True

    def clear(self) -> None:
        """Learn that DISCARD ALL has removed everything."""
        self.stateful = False
