SELECT COUNT(*) = 0 FROM reviews;
