"""The paper's tables and figures, one module each: ``compute`` returns plain data, ``render`` draws it."""
