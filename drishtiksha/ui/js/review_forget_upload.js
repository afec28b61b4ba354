/* Else a browser does not notice that a file of the same name is chosen again, after somebody mended it. */
() => { document.querySelectorAll('#dk-review-sum input[type=file]').forEach(one => { one.value = ''; }); }
