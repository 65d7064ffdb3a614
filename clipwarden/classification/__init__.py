"""Zero-shot classification of pictures: which of some texts is nearest to each."""
