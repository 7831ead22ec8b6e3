"""Named numpy columns as data frames, by way of libraries that memsnap itself does not need."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from memsnap.errors import UsageError

if TYPE_CHECKING:
    import pandas
    import pyarrow


def to_pandas(columns: Mapping[str, npt.NDArray[Any]]) -> "pandas.DataFrame":
    """Return the columns as a DataFrame; masked integers become its nullable `Int64`.

    Raises UsageError where pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise UsageError("pandas is not installed", hint="pip install pandas") from error
    return pandas.DataFrame({name: _series(pandas, column) for name, column in columns.items()})


def to_arrow(columns: Mapping[str, npt.NDArray[Any]]) -> "pyarrow.Table":
    """Return the columns as an Arrow table; masked numbers become null.

    Raises UsageError where pyarrow is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise UsageError(
            "pyarrow is not installed", hint="pip install 'memsnap[arrow]', or pip install pyarrow"
        ) from error
    return pyarrow.table({name: _array(pyarrow, column) for name, column in columns.items()})


def _series(pandas: Any, column: npt.NDArray[Any]) -> Any:
    if isinstance(column, np.ma.MaskedArray):
        return pandas.arrays.IntegerArray(column.data.astype(np.int64), _mask(column))
    return _plain(column)


def _array(pyarrow: Any, column: npt.NDArray[Any]) -> Any:
    if isinstance(column, np.ma.MaskedArray):
        return pyarrow.array(column.data, mask=_mask(column))
    if column.dtype == np.object_:
        return pyarrow.array(_plain(column).tolist(), type=pyarrow.string())
    return pyarrow.array(np.ascontiguousarray(column))


def _mask(column: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.ma.getmaskarray(column)


def _plain(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return texts for enums: the value of `Cause.LEAK` is `leak`."""
    if column.dtype != np.object_:
        return column
    return np.array([getattr(item, "value", item) for item in column], dtype=np.object_)
