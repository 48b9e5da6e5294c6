"""CloudFormation's intrinsic functions, conditions and references, resolved offline."""

# ruff: noqa: ANN401 - a value of a template is whatever its author wrote

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

NO_VALUE: Final = object()
"""What `AWS::NoValue` becomes on the way; whatever holds it drops it."""

_SUB_VARIABLE: Final = re.compile(r"\$\{([^}]+)\}")


class TemplateError(Exception):
    """A template that cannot be deployed as it is; the message names the place in it."""


@dataclass(frozen=True, slots=True)
class PhysicalResource:
    """What a created resource answers to `Ref` and, by attribute name, to `Fn::GetAtt`."""

    physical_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


class Resolver:
    """Resolves the values of one template.

    `resources` is filled while the deployment proceeds; a reference to a resource that is not in
    it yet is an error, so resources are resolved in the order of their dependencies.

    Args:
        template: A plain CloudFormation template, the SAM transform done.
        parameters: The value of every parameter of the template; lists for list types.
        pseudo: The values of the pseudo parameters, such as `AWS::Region`.
    """

    def __init__(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, str | list[str]],
        pseudo: Mapping[str, str],
    ) -> None:
        self.resources: dict[str, PhysicalResource] = {}
        self._declared: Mapping[str, Any] = template.get("Resources") or {}
        self._conditions: Mapping[str, Any] = template.get("Conditions") or {}
        self._mappings: Mapping[str, Any] = template.get("Mappings") or {}
        self._values: dict[str, Any] = {**parameters, **pseudo, "AWS::NoValue": NO_VALUE}
        self._held: dict[str, bool] = {}
        self._functions: dict[str, Callable[[Any, str], Any]] = {
            "Ref": self._ref,
            "Fn::Base64": self._base64,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::If": self._if,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::Sub": self._sub,
        }

    def resolve(self, value: Any, place: str) -> Any:
        """Resolve a value with all that it contains.

        Args:
            value: Any part of the template.
            place: Where it stands, such as `Resources.Table.Properties`, for error messages.

        Raises:
            TemplateError: An unknown function, a wrong argument or a dangling reference.
        """
        if isinstance(value, Mapping):
            function = _function_name(value, place)
            if function is not None:
                return self._call(function, value[function], f"{place}.{function}")
            entries = {key: self.resolve(item, f"{place}.{key}") for key, item in value.items()}
            return {key: item for key, item in entries.items() if item is not NO_VALUE}
        if isinstance(value, list):
            items = [self.resolve(item, f"{place}[{index}]") for index, item in enumerate(value)]
            return [item for item in items if item is not NO_VALUE]
        return value

    def holds(self, condition: str, place: str) -> bool:
        """Evaluate a condition by its name.

        Raises:
            TemplateError: No such condition, or it depends on itself.
        """
        if condition not in self._held:
            if condition not in self._conditions:
                raise TemplateError(f"{place}: there is no condition {condition!r}")
            # A second visit before the value is known finds no entry: the condition needs itself.
            definition, self._conditions = (
                self._conditions[condition],
                {name: body for name, body in self._conditions.items() if name != condition},
            )
            self._held[condition] = self._truth(definition, f"Conditions.{condition}")
        return self._held[condition]

    def references(self, value: Any, place: str) -> Iterator[str]:
        """Yield the names that a value refers to, in the branches that its conditions choose.

        Names of parameters and pseudo parameters are among them.
        """
        if not isinstance(value, Mapping):
            for index, item in enumerate(value if isinstance(value, list) else ()):
                yield from self.references(item, f"{place}[{index}]")
            return
        function = _function_name(value, place)
        argument = value.get(function) if function else None
        if function == "Ref":
            yield str(argument)
        elif function == "Fn::GetAtt":
            yield _attribute_path(argument, place)[0]
        elif function == "Fn::If":
            yield from self.references(self._branch(argument, place), place)
        elif function == "Fn::Sub":
            yield from self._sub_references(argument, place)
        else:
            for key, item in value.items():
                yield from self.references(item, f"{place}.{key}")

    def _sub_references(self, argument: Any, place: str) -> Iterator[str]:
        text, variables = _sub_arguments(argument, place)
        yield from self.references(list(variables.values()), place)
        for name in _SUB_VARIABLE.findall(text):
            if not name.startswith("!") and name not in variables:
                yield name.strip().split(".")[0]

    def _call(self, function: str, argument: Any, place: str) -> Any:
        implementation = self._functions.get(function)
        if implementation is None:
            known = ", ".join(sorted(self._functions))
            raise TemplateError(f"{place}: the local run does not know {function}, only {known}")
        return implementation(argument, place)

    def _ref(self, name: Any, place: str) -> Any:
        if not isinstance(name, str):
            raise TemplateError(f"{place}: Ref takes a name, not {name!r}")
        if name in self._values:
            return self._values[name]
        return self._resource(name, place).physical_id

    def _get_att(self, argument: Any, place: str) -> str:
        logical_id, attribute = _attribute_path(argument, place)
        attribute = self._text(attribute, place)
        resource = self._resource(logical_id, place)
        try:
            return resource.attributes[attribute]
        except KeyError:
            kind = self._declared.get(logical_id, {}).get("Type")
            raise TemplateError(
                f"{place}: the local run knows no attribute {attribute!r} of {logical_id} ({kind})"
            ) from None

    def _resource(self, logical_id: str, place: str) -> PhysicalResource:
        if logical_id in self.resources:
            return self.resources[logical_id]
        if logical_id not in self._declared:
            raise TemplateError(f"{place}: there is no parameter or resource {logical_id!r}")
        condition = self._declared[logical_id].get("Condition")
        if condition and not self.holds(condition, place):
            raise TemplateError(
                f"{place}: {logical_id} is not created because condition {condition} is false"
            )
        raise TemplateError(f"{place}: {logical_id} is referred to before it is created")

    def _sub(self, argument: Any, place: str) -> str:
        text, variables = _sub_arguments(argument, place)

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            name = name.strip()
            if name in variables:
                return self._text(variables[name], f"{place}.{name}")
            if "." in name:
                return self._get_att(name.split(".", 1), place)
            return self._text({"Ref": name}, place)

        return _SUB_VARIABLE.sub(replace, text)

    def _join(self, argument: Any, place: str) -> str:
        delimiter, values = _arguments(argument, 2, place)
        items = self.resolve(values, place)
        if not isinstance(delimiter, str) or not isinstance(items, list):
            raise TemplateError(f"{place}: Fn::Join takes a delimiter and a list")
        return delimiter.join(self._text(item, place) for item in items)

    def _select(self, argument: Any, place: str) -> Any:
        index, values = _arguments(argument, 2, place)
        items = self.resolve(values, place)
        try:
            position = int(self._text(index, place))
            # A negative index would count from the end: make it too large instead.
            return items[position if position >= 0 else len(items)]
        except (ValueError, IndexError, TypeError) as error:
            raise TemplateError(f"{place}: Fn::Select finds nothing: {error}") from error

    def _split(self, argument: Any, place: str) -> list[str]:
        delimiter, value = _arguments(argument, 2, place)
        return self._text(value, place).split(self._text(delimiter, place))

    def _if(self, argument: Any, place: str) -> Any:
        return self.resolve(self._branch(argument, place), place)

    def _branch(self, argument: Any, place: str) -> Any:
        condition, if_true, if_false = _arguments(argument, 3, place)
        return if_true if self.holds(condition, place) else if_false

    def _find_in_map(self, argument: Any, place: str) -> Any:
        keys = [self._text(key, place) for key in _arguments(argument, 3, place)]
        found: Any = self._mappings
        for key in keys:
            if not isinstance(found, Mapping) or key not in found:
                raise TemplateError(f"{place}: there is no {' / '.join(keys)} in Mappings")
            found = found[key]
        return found

    def _base64(self, argument: Any, place: str) -> str:
        return base64.b64encode(self._text(argument, place).encode()).decode()

    def _text(self, value: Any, place: str) -> str:
        """Resolve a value that must become part of a text."""
        resolved = self.resolve(value, place)
        if isinstance(resolved, bool):
            return str(resolved).lower()
        if isinstance(resolved, str | int | float):
            return str(resolved)
        shown = "AWS::NoValue" if resolved is NO_VALUE else repr(resolved)
        raise TemplateError(f"{place}: text is needed here, not {shown}")

    def _truth(self, value: Any, place: str) -> bool:
        """Evaluate the definition of a condition."""
        if not isinstance(value, Mapping) or len(value) != 1:
            raise TemplateError(f"{place}: a condition is one function, not {value!r}")
        ((function, argument),) = value.items()
        place = f"{place}.{function}"
        match function:
            case "Condition":
                return self.holds(argument, place)
            case "Fn::Equals":
                left, right = _arguments(argument, 2, place)
                return self._text(left, place) == self._text(right, place)
            case "Fn::Not":
                (operand,) = _arguments(argument, 1, place)
                return not self._truth(operand, place)
            case "Fn::And":
                return all(self._truth(operand, place) for operand in _operands(argument, place))
            case "Fn::Or":
                return any(self._truth(operand, place) for operand in _operands(argument, place))
        raise TemplateError(f"{place}: the local run does not know {function} in a condition")


def _function_name(value: Mapping[str, Any], place: str) -> str | None:
    """Tell which function a mapping calls; `None` for a plain mapping."""
    for key in value:
        if key == "Ref" or str(key).startswith("Fn::"):
            if len(value) > 1:
                raise TemplateError(f"{place}: {key} must stand alone, not beside other keys")
            return str(key)
    return None


def _arguments(argument: Any, count: int, place: str) -> Sequence[Any]:
    if not isinstance(argument, list) or len(argument) != count:
        raise TemplateError(f"{place}: {count} arguments are needed, not {argument!r}")
    return argument


def _operands(argument: Any, place: str) -> Sequence[Any]:
    if not isinstance(argument, list) or not 2 <= len(argument) <= 10:
        raise TemplateError(f"{place}: two to ten conditions are needed, not {argument!r}")
    return argument


def _attribute_path(argument: Any, place: str) -> tuple[str, Any]:
    if isinstance(argument, str) and "." in argument:
        logical_id, attribute = argument.split(".", 1)
        return logical_id, attribute
    logical_id, attribute = _arguments(argument, 2, place)
    if not isinstance(logical_id, str):
        raise TemplateError(f"{place}: Fn::GetAtt takes a logical id, not {logical_id!r}")
    return logical_id, attribute


def _sub_arguments(argument: Any, place: str) -> tuple[str, Mapping[str, Any]]:
    if isinstance(argument, str):
        return argument, {}
    text, variables = _arguments(argument, 2, place)
    if not isinstance(text, str) or not isinstance(variables, Mapping):
        raise TemplateError(f"{place}: Fn::Sub takes a text and a mapping of variables")
    return text, variables
