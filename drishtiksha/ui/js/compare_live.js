// On the element that stays, not on what is put into it: only a change inside a live region is spoken.
element.setAttribute('role', 'status');
element.setAttribute('aria-live', 'polite');
