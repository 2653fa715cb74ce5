// A click on a figure opens it alone, at its full size.
document.addEventListener("DOMContentLoaded", () => {
  for (const figure of document.querySelectorAll("article img")) {
    figure.style.cursor = "zoom-in";
    figure.addEventListener("click", () => window.open(figure.src));
  }
});
