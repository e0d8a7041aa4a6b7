"""The name that PostgreSQL gives an output column without AS (`FigureColname` of PostgreSQL 18). Pure."""

from __future__ import annotations

from typing import Any

_FIXED = {
    "coalesce_expr": "coalesce",
    "a_array_expr": "array",
    "row_expr": "row",
    "grouping_func": "grouping",
    "xml_serialize": "xmlserialize",
    "json_object_constructor": "json_object",
    "json_array_constructor": "json_array",
}


def output_name(value: Any) -> str | None:
    """Name an expression's column; None where the name is not known here."""
    kind = value.WhichOneof("node")
    if kind is None:
        return None
    node = getattr(value, kind)
    if kind == "column_ref":
        last = node.fields[-1]
        return None if last.HasField("a_star") else str(last.string.sval)
    if kind == "func_call":
        return str(node.funcname[-1].string.sval)
    if kind == "type_cast":
        return output_name(node.arg) or str(node.type_name.names[-1].string.sval)
    if kind == "a_indirection":
        fields = [item.string.sval for item in node.indirection if item.HasField("string")]
        return str(fields[-1]) if fields else output_name(node.arg)
    if kind == "collate_clause":
        return output_name(node.arg)
    if kind == "case_expr":
        return output_name(node.defresult) or "case"
    if kind == "sub_link":
        return _sublink_name(node)
    if kind == "min_max_expr":
        return ("greatest", "least")[node.op - 1]
    return _FIXED.get(kind)


def _sublink_name(link: Any) -> str | None:
    kind = link.DESCRIPTOR.fields_by_name["sub_link_type"].enum_type.values_by_number[link.sub_link_type].name
    if kind == "EXPR_SUBLINK":
        select = link.subselect.select_stmt
        while select.HasField("larg"):
            select = select.larg
        if not len(select.target_list):
            return None
        target = select.target_list[0].res_target
        return target.name or output_name(target.val)
    return {"EXISTS_SUBLINK": "exists", "ARRAY_SUBLINK": "array"}.get(kind)
