// Select2 draws its own field beside the one that has the label: give it that label, too.
// WCAG 2.2, 4.1.2 Name, Role, Value. Without scripts the labelled field itself is shown.
"use strict";

function labelDrawnFields() {
  for (const field of document.querySelectorAll("select.select2-hidden-accessible")) {
    const label = field.labels[0];
    const drawn = field.nextElementSibling;
    if (!label || !drawn) continue;
    label.id ||= `${field.id}_label`;
    for (const part of drawn.querySelectorAll("[role=combobox], [role=textbox], [role=searchbox]")) {
      part.id ||= `${field.id}_drawn`;
      part.setAttribute("aria-labelledby", `${label.id} ${part.id}`);
    }
  }
}

window.addEventListener("load", () => setTimeout(labelDrawnFields));
document.addEventListener("formset:added", () => setTimeout(labelDrawnFields));
