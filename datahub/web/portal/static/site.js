"use strict";
// Suggestions while typing, filters that are open where there is room, programs that are copied
// by a button, statements that run by Ctrl+Enter. Pages work without.
(() => {
  const DELAY = 120;
  const KINDS = { title: "数据集", keyword: "关键字", term: "词条", publisher: "机构" };

  function offer(input) {
    const form = input.form;
    const list = document.createElement("ul");
    list.id = `${input.id}-offers`;
    list.className = "offers";
    list.hidden = true;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "检索建议");
    form.append(list);
    const told = document.createElement("p");
    told.className = "hidden";
    told.setAttribute("role", "status");
    form.append(told);
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id,
    })) input.setAttribute(name, value);

    let timer = 0, asked = null, at = -1, typed = "";

    function close() {
      list.hidden = true;
      at = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    }

    function choose(text) {
      input.value = text;
      close();
      form.requestSubmit();
    }

    function show(found) {
      list.replaceChildren(...found.map((item, number) => {
        const line = document.createElement("li");
        line.id = `${list.id}-${number}`;
        line.setAttribute("role", "option");
        line.setAttribute("aria-selected", "false");
        const text = document.createElement("span");
        text.textContent = item.text;
        const kind = document.createElement("small");
        kind.textContent = KINDS[item.kind] || "";
        line.append(text, kind);
        line.addEventListener("mousedown", (event) => { event.preventDefault(); choose(item.text); });
        return line;
      }));
      at = -1;
      list.hidden = found.length === 0;
      input.setAttribute("aria-expanded", String(found.length > 0));
      input.removeAttribute("aria-activedescendant");
      told.textContent = found.length ? `${found.length} 条建议，用上下方向键选择` : "";
    }

    async function ask() {
      const text = input.value.trim();
      asked?.abort();
      if (!text) { close(); return; }
      asked = new AbortController();
      try {
        const answer = await fetch(`/api/v1/suggest?limit=8&q=${encodeURIComponent(text.slice(0, 100))}`, { signal: asked.signal });
        if (answer.ok && document.activeElement === input) show(await answer.json());
      } catch (error) {
        if (error.name !== "AbortError") close();
      }
    }

    function move(step) {
      const lines = [...list.children];
      if (list.hidden || !lines.length) return;
      if (at < 0) typed = input.value;
      lines[at]?.setAttribute("aria-selected", "false");
      // One place more than there are lines: what was typed itself.
      at = (at + 1 + step + lines.length + 1) % (lines.length + 1) - 1;
      if (at < 0) {
        input.value = typed;
        input.removeAttribute("aria-activedescendant");
        return;
      }
      const line = lines[at];
      line.setAttribute("aria-selected", "true");
      line.scrollIntoView({ block: "nearest" });
      input.value = line.firstChild.textContent;
      input.setAttribute("aria-activedescendant", line.id);
    }

    input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, DELAY); });
    input.addEventListener("keydown", (event) => {
      if (event.isComposing) return;  // pinyin is being typed
      if (event.key === "ArrowDown") {
        event.preventDefault();
        if (list.hidden) ask(); else move(1);
      } else if (event.key === "ArrowUp" && !list.hidden) {
        event.preventDefault();
        move(-1);
      } else if (event.key === "Escape" && !list.hidden) {
        event.preventDefault();
        if (at >= 0) input.value = typed;
        close();
      } else if (event.key === "Enter") {
        clearTimeout(timer);
        asked?.abort();
        close();
      }
    });
    input.addEventListener("blur", close);
  }

  document.querySelectorAll("input[data-suggest]").forEach(offer);

  function copyable(block) {
    const line = document.createElement("p");
    line.className = "copied";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "复制";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(block.textContent);
        button.textContent = "已复制";
      } catch {  // not allowed, or not over https: it is at least selected
        getSelection().selectAllChildren(block);
        button.textContent = "已选中，请按 Ctrl+C";
      }
      setTimeout(() => { button.textContent = "复制"; }, 2500);
    });
    line.append(button);
    block.before(line);
  }

  document.querySelectorAll(".snippet pre, pre[data-copy]").forEach(copyable);

  document.querySelectorAll("textarea[data-submit]").forEach((area) => {
    area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      area.form.requestSubmit();
    });
  });

  const drawer = document.querySelector("details.drawer");
  if (drawer) {
    const wide = matchMedia("(min-width: 60.01rem)");
    const fit = () => { drawer.open = wide.matches; };
    wide.addEventListener("change", fit);
    fit();
  }
})();
