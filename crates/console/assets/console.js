"use strict";
const statement = document.getElementById("statement");
if (statement) {
  statement.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      statement.form.requestSubmit();
    }
  });
  // What was typed is to be corrected: the cursor goes where it is wrong.
  if (statement.dataset.start !== undefined) {
    statement.focus();
    statement.setSelectionRange(Number(statement.dataset.start), Number(statement.dataset.end));
  }
}
