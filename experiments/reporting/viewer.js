// Draws the crystals of each .viewer with 3Dmol.js: one at a time, and only once the reader comes near it.
"use strict";
(() => {
  const BOND = { radius: 0.06, color: "#999999" }, EDGE = { radius: 0.02, color: "#666666" };
  const point = ([x, y, z]) => ({ x, y, z });

  function draw(viewer, scene) {
    viewer.removeAllShapes();
    const places = scene.sites.map(([, ...place]) => point(place));
    scene.sites.forEach(([element], site) => {
      const { colour, radius } = scene.elements[element];
      viewer.addSphere({ center: places[site], radius, color: colour, quality: 3 });
    });
    for (const [one, other] of scene.bonds) viewer.addCylinder({ start: places[one], end: places[other], ...BOND });
    for (const [one, other] of scene.edges) viewer.addCylinder({ start: point(one), end: point(other), ...EDGE });
    viewer.zoomTo();
    viewer.zoom(0.92);
    viewer.render();
  }

  function legend(place, elements) {
    place.replaceChildren(...elements.map(({ symbol, colour }) => {
      const entry = document.createElement("span"), dot = document.createElement("i");
      dot.style.background = colour;
      entry.append(dot, symbol);
      return entry;
    }));
  }

  function open(figure) {
    const crystals = JSON.parse(figure.querySelector("script").textContent);
    const [stage, choice, facts, cif] = [".stage", "select", ".facts", ".cif"].map(name => figure.querySelector(name));
    let viewer = null;
    try {
      viewer = $3Dmol.createViewer(stage, { backgroundColor: "white", disableFog: true });
    } catch (error) {
      stage.textContent = "This browser draws nothing in 3-D (no WebGL).";
    }
    function show() {
      const crystal = crystals[choice.selectedIndex];
      facts.textContent = crystal.facts;
      cif.download = crystal.saved;
      cif.href = "data:chemical/x-cif;charset=utf-8," + encodeURIComponent(crystal.cif);
      legend(figure.querySelector(".elements"), crystal.scene.elements);
      if (viewer) draw(viewer, crystal.scene);
      figure.dataset.drawn = viewer ? crystal.name : "";
    }
    choice.addEventListener("change", show);
    figure.querySelectorAll("button").forEach(button => button.addEventListener("click", () => {
      choice.selectedIndex = (choice.selectedIndex + Number(button.value) + crystals.length) % crystals.length;
      show();
    }));
    // the wheel scrolls the page; with the control key, as in a map, it zooms
    stage.addEventListener("wheel", event => { if (!event.ctrlKey) event.stopPropagation(); }, true);
    show();
  }

  const watcher = new IntersectionObserver(seen => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      open(target);
    }
  }, { rootMargin: "400px" });
  document.querySelectorAll(".viewer").forEach(figure => watcher.observe(figure));
})();
